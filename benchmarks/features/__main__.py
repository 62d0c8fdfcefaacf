"""What meta-features are worth: ``python -m benchmarks.features kinds|relevance|payoff``."""

from benchmarks.commands import run_command


if __name__ == "__main__":
    run_command("benchmarks.features", ["kinds", "relevance", "payoff"])
