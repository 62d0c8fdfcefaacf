"""Training from a start: freezing, learning rates, regularization, early stopping."""
