"""What things cost: ``python -m benchmarks.cost suggestion|growth|fit_prior|features|checkpoints``."""

from benchmarks.commands import run_command


if __name__ == "__main__":
    run_command("benchmarks.cost", ["suggestion", "growth", "fit_prior", "features", "checkpoints"])
