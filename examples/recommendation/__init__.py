"""Recommendation to groups of users; ``python -m examples.recommendation`` runs it."""
