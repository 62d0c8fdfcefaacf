"""A study's checkpoints: in come trials and models, out go artifacts, kept, resumed and pruned."""
