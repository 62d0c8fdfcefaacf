"""Configurations as rows: in come Optuna distributions and parameters, out go cells, rows and conditions."""
