"""Which checkpoint to start from: in come prior studies and the new task, out goes a ranking."""
