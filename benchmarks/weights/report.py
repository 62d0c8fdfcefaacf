"""Files and tables of :mod:`benchmarks.weights.run`."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import csv
import lzma
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.report.markdown import table
from benchmarks.weights.domains import DOMAINS


__all__ = ["append", "Line", "lines_of", "read", "report", "Setting", "settings", "Reliability"]

_SHOWN = (0, 5, 20, 50)  # Steps.


class Line(NamedTuple):
    """A method's part in one replicate."""

    domain: str
    size: int
    sources: str  # clean, poisoned, all poisoned
    seed: int
    method: str
    source: str  # What it started from.
    lr: float  # nan for ensembles, whose members each have their own
    choosing: float  # CPU seconds on the new task before training,
    before: float  # and on earlier tasks
    chosen: int  # The check at which validation stopped it.
    checks: tuple[int, ...]  # steps
    curve: tuple[float, ...]  # Test score after each.

    @property
    def final(self) -> float:
        """The test score where validation stopped it."""
        return self.curve[self.chosen]


class Setting(NamedTuple):
    """What methods are compared in."""

    domain: str
    size: int
    sources: str

    def __str__(self) -> str:
        return f"{self.domain}, {self.size} {DOMAINS[self.domain].unit}, {self.sources} sources"


_COLUMNS = (*Line._fields[:-3], "stopped", "step", "score")


def append(path: Path, lines: Sequence[Line]) -> None:
    """Add lines to a file, a row a check."""
    new = not path.exists()
    with open(path, "a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(_COLUMNS)
        for line in lines:
            head = [_short(value) for value in line[: len(_COLUMNS) - 3]]
            for i, (step, score) in enumerate(zip(line.checks, line.curve, strict=True)):
                writer.writerow([*head, int(i == line.chosen), step, _short(score)])


def read(path: Path) -> list[Line]:
    """The lines of a file, which is unpacked if only a packed one is there; none without.

    Raises:
        ValueError: If it is no such file.
    """
    packed = path.with_name(f"{path.name}.xz")
    if not path.exists() and packed.exists():
        path.write_bytes(lzma.decompress(packed.read_bytes()))  # A run goes on from it.
    if not path.exists():
        return []
    with open(path, newline="") as stream:
        head, *rows = csv.reader(stream)
    if tuple(head) != _COLUMNS:
        raise ValueError(f"{path} is of another kind of run: pass another file, or delete it.")
    found: dict[tuple[str, ...], list[list[str]]] = {}
    for row in rows:
        found.setdefault(tuple(row[:-3]), []).append(row[-3:])
    return [_line(key, checks) for key, checks in found.items()]


def _line(key: tuple[str, ...], checks: list[list[str]]) -> Line:
    domain, size, sources, seed, method, source, lr, choosing, before = key
    return Line(
        domain,
        int(size),
        sources,
        int(seed),
        method,
        source,
        float(lr),
        float(choosing),
        float(before),
        [stopped for stopped, *_ in checks].index("1"),
        tuple(int(step) for _, step, _ in checks),
        tuple(float(score) for *_, score in checks),
    )


def _short(value: object) -> object:
    return f"{value:.5g}" if isinstance(value, float) else value


class Reliability(NamedTuple):
    """A method in one setting, against scratch, over seeds."""

    method: str
    finals: np.ndarray  # (seeds,)
    gains: np.ndarray  # (seeds,), positive where better than scratch
    shares: np.ndarray  # (seeds,), of scratch's steps until scratch's final score is reached
    curves: np.ndarray  # (seeds, checks)
    lines: tuple[Line, ...]

    @property
    def error(self) -> float:
        """The standard error of the mean gain; nan for one seed."""
        n = len(self.gains)
        return float(self.gains.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan

    @property
    def wins(self) -> int:
        """In how many seeds it ends better than scratch."""
        return int((self.gains > 0).sum())

    @property
    def share(self) -> float:
        """The median share of steps; infinite where it is never reached."""
        return float(np.median(self.shares))


def settings(lines: Sequence[Line]) -> list[Setting]:
    """Those that a run has, in the order in which it came to them."""
    return list(dict.fromkeys(Setting(line.domain, line.size, line.sources) for line in lines))


def lines_of(lines: Sequence[Line], setting: Setting) -> list[Reliability]:
    """How each method stands, in the seeds that all methods have."""
    own = [line for line in lines if line[:3] == setting]
    by_method: dict[str, dict[int, Line]] = {}
    for line in own:
        by_method.setdefault(line.method, {})[line.seed] = line
    scratch = by_method["scratch"]
    sign = 1.0 if DOMAINS[setting.domain].kind.higher else -1.0
    return [
        _standing(method, [(scratch[seed], line) for seed, line in sorted(of.items())], sign)
        for method, of in by_method.items()
    ]


def _standing(method: str, pairs: Sequence[tuple[Line, Line]], sign: float) -> Reliability:
    finals = np.array([line.final for _, line in pairs])
    gains = sign * (finals - np.array([scratch.final for scratch, _ in pairs]))
    shares = np.array([_share(scratch, line, sign) for scratch, line in pairs])
    curves = np.array([line.curve for _, line in pairs])
    return Reliability(method, finals, gains, shares, curves, tuple(line for _, line in pairs))


def _share(scratch: Line, line: Line, sign: float) -> float:
    """When a curve first reaches scratch's final score, as a share of when scratch's does."""
    needed = _first(scratch, scratch.final, sign)
    return _first(line, scratch.final, sign) / max(needed, 1.0)


def _first(line: Line, score: float, sign: float) -> float:
    reached = np.flatnonzero(sign * np.array(line.curve) >= sign * score)
    return float(line.checks[reached[0]]) if len(reached) else math.inf


def report(lines: Sequence[Line]) -> Iterator[str]:
    """Yields the tables of a run, in Markdown."""
    yield "## The default against scratch\n"
    yield _summary(lines)
    yield "\n## Final score: gain over scratch, wins and steps, clean sources, fewest examples\n"
    yield _overview(lines)
    for setting in settings(lines):
        measure = DOMAINS[setting.domain].kind.measure
        yield f"\n## {setting}: {measure}\n"
        yield _methods(lines_of(lines, setting))
    yield "\n## CPU seconds, mean: on earlier tasks, and to choose\n"
    yield _costs(lines)


def _summary(lines: Sequence[Line]) -> str:
    rows = []
    for setting in settings(lines):
        for one in lines_of(lines, setting):
            if one.method == "default":
                scratch = one.finals - _sign(setting) * one.gains
                rows.append(
                    [
                        setting,
                        f"{scratch.mean():.3f}",
                        f"{one.finals.mean():.3f}",
                        f"{one.finals.mean() / scratch.mean():.3f}",
                        _signed(one.gains.mean(), one.error),
                        f"{one.wins} of {len(one.gains)}",
                        _percent(one.share),
                        sum(line.source == "scratch" for line in one.lines),
                    ]
                )
    head = ["setting", "scratch", "default", "ratio", "gain", "wins", "steps", "chose scratch"]
    return table(head, rows)


def _overview(lines: Sequence[Line]) -> str:
    """A line a method, a column a domain."""
    first: dict[str, Setting] = {}
    for setting in settings(lines):
        if setting.sources == "clean":
            first.setdefault(setting.domain, setting)
    found = {name: {one.method: one for one in lines_of(lines, s)} for name, s in first.items()}
    methods = dict.fromkeys(method for of in found.values() for method in of)
    rows = [
        [method, *(_standing_in_short(of.get(method)) for of in found.values())]
        for method in methods
        if method != "scratch"
    ]
    return table(["start", *found], rows)


def _standing_in_short(one: Reliability | None) -> str:
    if one is None:
        return ""
    wins = f"{one.wins} of {len(one.gains)}"
    return f"{_signed(one.gains.mean(), one.error)}, {wins}, {_percent(one.share)}"


def _sign(setting: Setting) -> float:
    return 1.0 if DOMAINS[setting.domain].kind.higher else -1.0


def _methods(standings: Sequence[Reliability]) -> str:
    checks = standings[0].lines[0].checks
    shown = [i for i, step in enumerate(checks) if step in _SHOWN]
    head = ["start", *(f"after {checks[i]}" for i in shown), "final", "gain", "wins", "steps"]
    rows = [
        [
            one.method,
            *(f"{one.curves[:, i].mean():.3f}" for i in shown),
            f"{one.finals.mean():.3f}",
            _signed(one.gains.mean(), one.error) if one.method != "scratch" else "",
            f"{one.wins} of {len(one.gains)}" if one.method != "scratch" else "",
            _percent(one.share),
        ]
        for one in standings
    ]
    return table(head, rows)


def _costs(lines: Sequence[Line]) -> str:
    clean = [line for line in lines if line.sources == "clean"]
    domains = list(dict.fromkeys(line.domain for line in clean))
    rows = []
    for method in dict.fromkeys(line.method for line in clean):
        cells = []
        for domain in domains:
            own = [line for line in clean if (line.domain, line.method) == (domain, method)]
            before, choosing = (
                np.mean([getattr(line, name) for line in own] or [math.nan])
                for name in ("before", "choosing")
            )
            cells.append(f"{before:.1f} + {choosing:.1f}" if own else "")
        rows.append([method, *cells])
    return table(["start", *domains], rows)


def _signed(mean: float, error: float) -> str:
    return f"{mean:+.3f}" if math.isnan(error) else f"{mean:+.3f} ± {error:.3f}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if math.isfinite(share) else "never"
