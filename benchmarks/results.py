"""The tidy file of results: a row for each trial of each job, and beside it how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import json
from pathlib import Path
from typing import Any

from benchmarks.jobs import Job
from benchmarks.jobs import Row


__all__ = ["COLUMNS", "append_rows", "finished_jobs", "read_origin", "record_origin"]

COLUMNS = (*Job._fields, *Row._fields)


def append_rows(path: Path, job: Job, rows: Sequence[Row]) -> None:
    """Add the rows of a finished job to the file, made where it is missing."""
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerows((*job, *map(_short, row)) for row in rows)


def finished_jobs(path: Path, trials: int) -> set[Job]:
    """The jobs with all their trials in the file.

    A job whose rows were cut short by an interruption is removed, so that it can be run again.
    """
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        lines = [line for line in csv.reader(file)][1:]
    counts = Counter(_job(line) for line in lines if len(line) == len(COLUMNS))
    finished = {job for job, count in counts.items() if count >= trials}
    kept = [line for line in lines if len(line) == len(COLUMNS) and _job(line) in finished]
    if len(kept) < len(lines):
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *kept])
        partial.replace(path)
    return finished


def record_origin(path: Path, command: str, settings: Mapping[str, Any]) -> None:
    """Note beside the file which command added to it.

    Args:
        path:
            The file of results.
        command:
            The command line.
        settings:
            What must be the same for all rows of the file.

    Raises:
        ValueError:
            If the rows that are there were made with other settings.
    """
    origin = read_origin(path) if path.exists() else {}
    noted = origin.get("settings", {})
    for key, value in settings.items():
        if noted.get(key, value) != value:
            raise ValueError(
                f"The rows in {path.name} were made with {key} {noted[key]}, not {value}: "
                "choose another --output, or delete the file."
            )
    commands = [*origin.get("commands", []), command]
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"commands": list(dict.fromkeys(commands)), "settings": dict(settings)}
    _origin_path(path).write_text(json.dumps(record, indent=2) + "\n")


def read_origin(path: Path) -> dict[str, Any]:
    """The commands and settings behind a file of results; empty where none were noted."""
    origin = _origin_path(path)
    record: dict[str, Any] = json.loads(origin.read_text()) if origin.exists() else {}
    return record


def _origin_path(path: Path) -> Path:
    return path.with_suffix(".origin.json")


def _job(line: Sequence[str]) -> Job:
    suite, family, task, seed, regime, method = line[: len(Job._fields)]
    return Job(suite, family, task, int(seed), regime, method)


def _short(value: float) -> str:
    return f"{value:.10g}"
