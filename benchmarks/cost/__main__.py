"""What things cost: ``python -m benchmarks.cost --help``."""

from benchmarks.commands import run_command


COMMANDS = ["suggestion", "growth", "fit_prior", "features", "checkpoints", "published"]

if __name__ == "__main__":
    run_command("benchmarks.cost", COMMANDS)
