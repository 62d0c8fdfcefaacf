"""What things cost: ``python -m benchmarks.cost suggestion|fit_prior|features|checkpoints``."""

from __future__ import annotations

from benchmarks.commands import run_command
from benchmarks.cost import checkpoints
from benchmarks.cost import features
from benchmarks.cost import fit_prior
from benchmarks.cost import suggestion


if __name__ == "__main__":
    run_command("benchmarks.cost", [suggestion, fit_prior, features, checkpoints])
