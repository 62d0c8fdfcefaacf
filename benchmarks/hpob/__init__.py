"""HPO-B's files, run and reported."""
