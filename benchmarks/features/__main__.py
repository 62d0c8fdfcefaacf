"""What meta-features are worth: ``python -m benchmarks.features kinds|relevance|payoff``."""

from __future__ import annotations

from benchmarks.commands import run_command
from benchmarks.features import kinds
from benchmarks.features import payoff
from benchmarks.features import relevance


if __name__ == "__main__":
    run_command("benchmarks.features", [kinds, relevance, payoff])
