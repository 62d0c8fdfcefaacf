"""What pruning costs and saves: curves, replays of them, and reports."""
