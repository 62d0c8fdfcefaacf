"""When to stop and what it costs: in come curves and durations of prior trials, out go chances."""
