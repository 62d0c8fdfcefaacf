"""Files and tables of :mod:`benchmarks.weights.study`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


__all__ = ["append", "choosing", "Line", "read", "roles", "table"]

Array = NDArray[np.float64]


class Line(NamedTuple):
    """A trial of one arm."""

    domain: str
    seed: int
    arm: str
    trial: int
    steps: int
    role: str  # What it started from.
    loss: float  # On validation images.
    accuracy: float  # On test images.
    source: str  # The study that the default chose for the arm, empty for scratch or none.
    choosing_seconds: float  # CPU, for the whole arm.
    choosing_steps: int


_TYPES = (str, int, str, int, int, str, float, float, str, float, int)


def read(path: Path) -> list[Line]:
    """The lines of a file, none if there is no file.

    Raises:
        ValueError: If it has other columns.
    """
    if not path.exists():
        return []
    with open(path, newline="") as stream:
        head, *rows = csv.reader(stream)
    if tuple(head) != Line._fields:
        raise ValueError(f"{path} is of another kind of run: pass another file, or delete it.")
    return [Line(*(t(v) for t, v in zip(_TYPES, row, strict=True))) for row in rows]


def append(path: Path, lines: Iterable[Line]) -> None:
    """Add lines to a file."""
    new = not path.exists()
    with open(path, "a", newline="") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(Line._fields)
        writer.writerows(lines)


def table(lines: Sequence[Line], against: str, shown: Sequence[int] = (1, 3, 6, 12)) -> str:
    """Test accuracy of the incumbent by validation, a line an arm.

    Args:
        lines: Of one domain.
        against: The arm that the others are compared with, after its last trial.
        shown: After how many trials; what is beyond the last is left out.
    """
    curves = _curves(lines)
    n_trials = curves[against].shape[1]
    after = [n for n in shown if n <= n_trials]
    head = ["study", "steps a trial", *(f"after {n}" for n in after)]
    rows = [[*head, f"against {against}", "wins", "first trial against its last", "wins"]]
    last = curves[against][:, -1]
    for arm, curve in curves.items():
        steps = np.unique([line.steps for line in lines if line.arm == arm])
        rows.append(
            [
                arm,
                str(steps[0]) if len(steps) == 1 else f"{steps[0]} to {steps[-1]}",
                *(_estimate(curve[:, n - 1]) for n in after),
                *_duel(curve[:, -1] - last, arm == against),
                *_duel(curve[:, 0] - last, False),
            ]
        )
    return _markdown(rows)


def roles(lines: Sequence[Line]) -> str:
    """How often each role was drawn, by arm, and in how many seeds the incumbent has it."""
    arms = [a for a in _arms(lines) if len({line.role for line in lines if line.arm == a}) > 1]
    names = sorted({line.role for line in lines if line.arm in arms})
    rows = [["study", *names]]
    for arm in arms:
        own = [line for line in lines if line.arm == arm]
        ends = [min(group, key=_loss).role for group in _by_seed(own).values()]
        drawn = [np.mean([line.role == name for line in own]) for name in names]
        rows.append(
            [
                arm,
                *(f"{d:.0%}, last {ends.count(n)}" for d, n in zip(drawn, names, strict=True)),
            ]
        )
    return _markdown(rows)


def choosing(lines: Sequence[Line]) -> str:
    """What the default chose, and what that took, a line a seed."""
    rows = [["seed", "chosen", "CPU seconds", "steps of training"]]
    known = {line.seed: line for line in lines if line.choosing_steps}
    for seed, line in sorted(known.items()):
        seconds, steps = f"{line.choosing_seconds:.1f}", str(line.choosing_steps)
        rows.append([str(seed), line.source or "scratch", seconds, steps])
    return _markdown(rows)


def _curves(lines: Sequence[Line]) -> dict[str, Array]:
    """Test accuracy of the trial with the least validation loss so far, (seeds, trials)."""
    return {arm: _curve([line for line in lines if line.arm == arm]) for arm in _arms(lines)}


def _curve(lines: Sequence[Line]) -> Array:
    curves = []
    for group in _by_seed(lines).values():
        losses = np.array([line.loss for line in group])
        best = [int(np.argmin(losses[: n + 1])) for n in range(len(losses))]
        curves.append([group[i].accuracy for i in best])
    return np.array(curves)


def _by_seed(lines: Sequence[Line]) -> dict[int, list[Line]]:
    groups: dict[int, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line.seed, line.trial)):
        groups.setdefault(line.seed, []).append(line)
    return groups


def _arms(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(line.arm for line in lines))


def _loss(line: Line) -> float:
    return line.loss


def _duel(gains: Array, itself: bool) -> list[str]:
    if itself:
        return ["", ""]
    return [_estimate(gains, "+"), f"{(gains > 0.0).sum()} of {len(gains)}"]


def _estimate(values: Array, sign: str = "") -> str:
    """The mean, and its standard error where there are several."""
    mean = f"{values.mean():{sign}.3f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in ruled)
