"""What trials report, made comparable: in come trials, out go values where lower is better."""
