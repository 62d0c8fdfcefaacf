"""Peers side by side on tables of real results; see ``python -m benchmarks.arena --help``."""
