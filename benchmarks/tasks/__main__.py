"""Tables of training runs: ``python -m benchmarks.tasks train --cache FOLDER``."""

from __future__ import annotations

from benchmarks.commands import run_command
from benchmarks.tasks import train


if __name__ == "__main__":
    run_command("benchmarks.tasks", [train])
