"""Files and tables of :mod:`benchmarks.weights`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np


__all__ = ["append", "costs", "Line", "read", "table"]

_COLUMNS = ["domain", "shots", "seed", "method", "lr", "prepare"]


class Line(NamedTuple):
    """A method's part in one replicate."""

    domain: str
    shots: int
    seed: int
    method: str
    lr: float  # nan for ensembles, whose members each have their own
    prepare: float  # CPU seconds spent on earlier tasks
    curve: tuple[float, ...]  # test accuracy after each checked number of steps


def read(path: Path, checks: Sequence[int]) -> list[Line]:
    """The lines of a file, none if there is no file.

    Raises:
        ValueError: If its curves have other steps.
    """
    if not path.exists():
        return []
    with open(path, newline="") as stream:
        head, *rows = csv.reader(stream)
    if head != [*_COLUMNS, *map(str, checks)]:
        raise ValueError(f"{path} is of another kind of run: pass another file, or delete it.")
    return [
        Line(d, int(n), int(seed), method, float(lr), float(cost), tuple(map(float, curve)))
        for d, n, seed, method, lr, cost, *curve in rows
    ]


def append(path: Path, lines: Iterable[Line], checks: Sequence[int]) -> None:
    """Add lines to a file."""
    new = not path.exists()
    with open(path, "a", newline="") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow([*_COLUMNS, *checks])
        writer.writerows([*line[:-2], round(line.prepare, 3), *line.curve] for line in lines)


def table(lines: Sequence[Line], checks: Sequence[int]) -> str:
    """Accuracies, and a comparison with scratch, a line a method."""
    curves = {(line.method, line.seed): np.array(line.curve) for line in lines}
    seeds = sorted({line.seed for line in lines})
    ends = np.array([curves["scratch", seed][-1] for seed in seeds])
    shown = [i for i, step in enumerate(checks) if step in (0, 5, 20, 50) and step < checks[-1]]
    head = ["start", *(f"after {checks[i]}" for i in shown), f"after {checks[-1]}"]
    rows = [[*head, "against scratch", "wins", "steps to scratch's last, median"]]
    for method in dict.fromkeys(line.method for line in lines):
        own = np.array([curves[method, seed] for seed in seeds])
        gain = own[:, -1] - ends
        steps = [_first(curve, end, checks) for curve, end in zip(own, ends, strict=True)]
        median = float(np.median(steps))
        rows.append(
            [
                method,
                *(f"{own[:, i].mean():.3f}" for i in shown),
                _estimate(own[:, -1]),
                _estimate(gain, "+"),
                f"{(gain > 0).sum()} of {len(seeds)}",
                f"{median:.0f}" if np.isfinite(median) else "never",
            ]
        )
    return _markdown(rows)


def _first(curve: np.ndarray, end: float, checks: Sequence[int]) -> float:
    """After how many steps a curve first reaches a value."""
    reached = np.flatnonzero(curve >= end)
    return float(checks[reached[0]]) if len(reached) else float("inf")


def _estimate(values: np.ndarray, sign: str = "") -> str:
    """The mean, and its standard error where there are several."""
    mean = f"{values.mean():{sign}.3f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def costs(lines: Sequence[Line]) -> str:
    """Seconds that methods spent on earlier tasks, a line a method."""
    rows = [["start", "seconds"]]
    for method in dict.fromkeys(line.method for line in lines):
        spent = [line.prepare for line in lines if line.method == method]
        rows.append([method, f"{np.mean(spent):.1f}"])
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in ruled)
