"""Methods against each other: plans, jobs, runs and their results."""
