"""Optuna's protocol: in come study and trial, out go parameters, a record and an explanation."""
