"""Merge files of results: ``python -m benchmarks.arena.merge OUTPUT.csv.xz FILE.csv...``.

An output that ends in ``.xz`` is packed, its numbers are rounded, and values of trials that did
not improve are left out: small enough to be shared, so that others can add to it. A run goes on
from ``NAME.csv.xz`` where ``NAME.csv`` is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import itertools
from pathlib import Path
from typing import Any

from benchmarks.arena.jobs import ARENA_TRIALS
from benchmarks.arena.jobs import Budget
from benchmarks.arena.jobs import Job
from benchmarks.arena.results import COLUMNS
from benchmarks.arena.results import job_of
from benchmarks.arena.results import read_lines
from benchmarks.arena.results import read_origin
from benchmarks.arena.results import read_skips
from benchmarks.arena.results import write_lines
from benchmarks.arena.results import write_origin
from benchmarks.arena.results import write_skips


__all__ = ["main", "merge"]

Line = Sequence[str]
_DIGITS = {  # of each number of a row where the output is packed
    "value": 6,
    "regret_so_far": 5,
    "cpu_seconds_of_suggestion": 2,
    "cpu_seconds_of_setup": 3,
}
_VALUE, _REGRET = COLUMNS.index("value"), COLUMNS.index("regret_so_far")
_SAME = ("prior_trials", "max_priors")  # settings that must agree; versions are noted


def main(argv: Sequence[str] | None = None) -> None:
    """Merge files; of a job that several have, the last one's rows are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arena.merge", description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--trials", type=Budget.parse, default=ARENA_TRIALS)
    args = parser.parse_args(argv)
    n_jobs, n_short = merge(args.output, args.files, args.trials)
    print(f"{n_jobs} jobs in {args.output.name}; {n_short} had too few trials and were left out")


def merge(output: Path, files: Sequence[Path], trials: Budget) -> tuple[int, int]:
    """Write the complete jobs of all files into one.

    A job's trials beyond the budget are left out: what a method does does not depend on how many
    trials are to come.

    Args:
        output:
            The new file, packed if its name ends in ``.xz``.
        files:
            Files of results, packed or not; later ones win.
        trials:
            Trials of a job.

    Returns:
        How many jobs were written, and how many had too few trials.

    Raises:
        ValueError:
            If the files were made with other numbers of prior studies or prior trials.
    """
    origin = _origin(files, trials)
    runs: dict[Job, list[Line]] = {}
    skips: dict[Job, str] = {}
    for path in files:
        skips |= read_skips(path)
        for job, lines in itertools.groupby(read_lines(path), key=job_of):
            runs[job] = list(lines)
    complete = {
        job: lines[: trials.of(job.suite)]
        for job, lines in runs.items()
        if len(lines) >= trials.of(job.suite)
    }
    ordered = [line for job in sorted(complete) for line in complete[job]]
    write_lines(output, _rounded(ordered) if output.suffix == ".xz" else ordered)
    write_origin(output, origin)
    write_skips(output, {job: reason for job, reason in skips.items() if job not in complete})
    return len(complete), len(runs) - len(complete)


def _origin(files: Sequence[Path], trials: Budget) -> Mapping[str, Any]:
    """Commands and settings of all files; those that differ from the first file's are noted."""
    origins = {path.name: read_origin(path) for path in files}
    first, *others = origins.values()
    settings = {**first.get("settings", {}), "trials": str(trials)}
    notes = list(first.get("notes", ()))
    for name, origin in list(origins.items())[1:]:
        for key, value in origin.get("settings", {}).items():
            wanted = settings.get(key, value)
            if key in _SAME and value != wanted:
                raise ValueError(
                    f"The rows in {name} were made with {key} {value}, not {wanted} as those "
                    f"before it: merge files of the same settings only."
                )
            if key != "trials" and value != wanted:
                notes.append(f"{name}: {key} {value}")
    commands = [c for origin in origins.values() for c in origin.get("commands", ())]
    notes += [note for origin in others for note in origin.get("notes", ())]
    record = {"commands": list(dict.fromkeys(commands)), "settings": settings}
    return record | ({"notes": list(dict.fromkeys(notes))} if notes else {})


def _rounded(lines: Sequence[Line]) -> Iterator[Line]:
    before: tuple[str, ...] = ()
    for line in lines:
        short = [_round(name, text) for name, text in zip(COLUMNS, line, strict=True)]
        same = (*line[: len(Job._fields)], line[_REGRET])
        if same == before:
            short[_VALUE] = ""
        yield short
        before = same


def _round(name: str, text: str) -> str:
    return f"{float(text):.{_DIGITS[name]}g}" if name in _DIGITS and text else text


if __name__ == "__main__":
    main()
