"""A model's first weights: in come a model and a checkpoint, out go what fits and a report."""
