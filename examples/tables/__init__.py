"""Classification of tables; ``python -m examples.tables`` runs it."""
