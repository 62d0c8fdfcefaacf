"""Image recognition; ``python -m examples.images`` runs it."""
