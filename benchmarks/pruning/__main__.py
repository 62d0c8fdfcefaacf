"""Early stopping, paired: ``python -m benchmarks.pruning train|replay|search|spend``."""

from benchmarks.commands import run_command


if __name__ == "__main__":
    run_command("benchmarks.pruning", ["train", "replay", "search", "spend"])
