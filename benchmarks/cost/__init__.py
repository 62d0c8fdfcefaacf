"""CPU time and memory: of suggestions, fits, features and checkpoints."""
