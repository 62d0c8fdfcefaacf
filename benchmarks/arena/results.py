"""The tidy file of results: a row for each trial of each job, and beside it how it was made.

Next to ``NAME.csv`` lie ``NAME.origin.json``, with commands and settings, and
``NAME.skipped.csv``, with the jobs that their methods cannot serve. ``NAME.csv.xz`` is the same
file, packed by ``python -m benchmarks.arena.merge``: where ``NAME.csv`` is missing, a run goes on from
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import json
import lzma
from pathlib import Path
from typing import Any
from typing import TextIO

from benchmarks.arena.jobs import Budget
from benchmarks.arena.jobs import Job
from benchmarks.arena.jobs import Row


__all__ = [
    "COLUMNS",
    "append_rows",
    "append_skip",
    "beside",
    "finished_jobs",
    "job_of",
    "read_lines",
    "read_origin",
    "read_skips",
    "record_origin",
    "write_lines",
    "write_origin",
    "write_skips",
]

COLUMNS = (*Job._fields, *Row._fields)
_OLD_COLUMNS = COLUMNS[:-1]  # before trials could cost anything but 1
_PACKED = ".xz"


def append_rows(path: Path, job: Job, rows: Sequence[Row]) -> None:
    """Add the rows of a finished job to the file, made where it is missing."""
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerows((*job, *map(_short, row)) for row in rows)


def append_skip(path: Path, job: Job, reason: str) -> None:
    """Note that a method cannot serve a job, which so is done."""
    write_skips(path, read_skips(path) | {job: reason})


def read_skips(path: Path) -> dict[Job, str]:
    """The jobs that their methods cannot serve, with the reason."""
    skips = beside(path, ".skipped.csv")
    if not skips.exists():
        return {}
    with skips.open(newline="") as file:
        return {job_of(line): line[-1] for line in list(csv.reader(file))[1:]}


def write_skips(path: Path, skips: Mapping[Job, str]) -> None:
    """Replace the file of skipped jobs; there is none where nothing was skipped."""
    if not skips:
        beside(path, ".skipped.csv").unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path, ".skipped.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*Job._fields, "reason"))
        writer.writerows((*job, reason) for job, reason in skips.items())


def finished_jobs(path: Path, trials: Budget) -> set[Job]:
    """The jobs with all their trials in the file, and those skipped.

    A job whose rows were cut short by an interruption is removed, so that it can be run again. A
    packed file is unpacked first.
    """
    packed = path.with_name(path.name + _PACKED)
    if not path.exists() and packed.exists():
        write_lines(path, read_lines(packed))
    if not path.exists():
        return set(read_skips(path))
    lines = read_lines(path)
    counts = Counter(map(job_of, lines))
    finished = {job for job, count in counts.items() if count >= trials.of(job.suite)}
    kept = [line for line in lines if job_of(line) in finished]
    if len(kept) < len(lines) or not _is_current(path):
        write_lines(path, kept)
    return finished | set(read_skips(path))


def read_lines(path: Path) -> list[list[str]]:
    """The complete lines of a file, packed or not, in the order of ``COLUMNS``."""
    with _open(path, "rt") as file:
        text = file.read()
    complete = text[: text.rfind("\n") + 1]  # the last line may have been cut short
    head, *lines = csv.reader(complete.splitlines())
    if tuple(head) == _OLD_COLUMNS:
        return [[*line, "1"] for line in lines if len(line) == len(_OLD_COLUMNS)]
    if tuple(head) != COLUMNS:
        raise ValueError(f"Expected columns {', '.join(COLUMNS)} in {path.name}; got {head}.")
    return [line for line in lines if len(line) == len(COLUMNS)]


def write_lines(path: Path, lines: Iterable[Sequence[str]]) -> None:
    """Replace a file, packed or not, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name("partial-" + path.name)
    with _open(partial, "wt") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
    partial.replace(path)


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
    has_rows = path.exists() or path.with_name(path.name + _PACKED).exists()
    origin = read_origin(path) if has_rows else {}
    noted = origin.get("settings", {})
    for key, value in settings.items():
        if str(noted.get(key, value)) != str(value):
            raise ValueError(
                f"The rows in {path.name} were made with {key} {noted[key]}, not {value}: "
                "choose another --output, or delete the file."
            )
    commands = list(dict.fromkeys([*origin.get("commands", []), command]))
    write_origin(path, {**origin, "commands": commands, "settings": dict(settings)})


def write_origin(path: Path, origin: Mapping[str, Any]) -> None:
    """Replace what is noted beside a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside(path, ".origin.json").write_text(json.dumps(origin, indent=2) + "\n")


def read_origin(path: Path) -> dict[str, Any]:
    """The commands and settings behind a file of results; empty where none were noted."""
    origin = beside(path, ".origin.json")
    record: dict[str, Any] = json.loads(origin.read_text()) if origin.exists() else {}
    return record


def beside(path: Path, suffix: str) -> Path:
    """The file that lies next to a file of results, packed or not, with another suffix."""
    unpacked = path.with_suffix("") if path.suffix == _PACKED else path
    return unpacked.with_name(unpacked.stem + suffix)


def job_of(line: Sequence[str]) -> Job:
    """The job of a line."""
    suite, family, task, seed, regime, method = line[: len(Job._fields)]
    return Job(suite, family, task, int(seed), regime, method)


def _is_current(path: Path) -> bool:
    """Whether rows can be added to a file: it has all columns, and its last line is complete."""
    text = path.read_text()
    return text.startswith(",".join(COLUMNS) + "\n") and text.endswith("\n")


def _open(path: Path, mode: str) -> TextIO:
    if path.name.endswith(_PACKED):
        return lzma.open(path, mode, newline="")  # type: ignore[return-value]
    return path.open(mode.removesuffix("t"), newline="")  # type: ignore[return-value]


def _short(value: float) -> str:
    return f"{value:.10g}"
