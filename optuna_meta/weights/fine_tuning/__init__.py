"""Training from a start: in comes a loaded model, out go what to train, how fast and how long."""
