"""Translation of captions; ``python -m examples.translation`` runs it."""
