"""Configurations as rows: in come distributions and parameters, out go rows and conditions."""
