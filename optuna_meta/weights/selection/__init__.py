"""Which checkpoint to start from: in come candidates and the new task, out goes a ranking."""
