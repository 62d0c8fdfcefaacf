"""Tables of training runs: ``python -m benchmarks.tasks train --cache FOLDER``."""

from benchmarks.commands import run_command


if __name__ == "__main__":
    run_command("benchmarks.tasks", ["train"])
