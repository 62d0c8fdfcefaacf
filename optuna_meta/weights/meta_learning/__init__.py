"""One start for many tasks: in come a model, tasks and a loss, out goes a checkpoint."""
