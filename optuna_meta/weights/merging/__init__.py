"""Several models into one: in come checkpoints, out goes an average, a soup or an ensemble."""
