"""What came of the new studies: a table, whether it is good enough, and a figure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from examples.common.application import Application
from examples.common.application import Options


__all__ = ["Run", "WAYS", "best_so_far", "write_results"]

WAYS = ("transfer", "without", "unrelated")
_COLOURS = {"transfer": "#D55E00", "without": "#0072B2", "unrelated": "#7F7F7F"}
_N_POINTS = 200  # of the curves against seconds

Array = NDArray[np.float64]


class Run(NamedTuple):
    """A new study.

    Args:
        way: How it was run, one of ``WAYS``.
        seed: Its seed.
        best: After each trial the best value so far, NaN before any.  # (n,)
        seconds: From its start to the end of each trial.  # (n,)
        tests: The test scores of what came of it, the one that counts first.
    """

    way: str
    seed: int
    best: Array
    seconds: Array
    tests: Mapping[str, float]


def best_so_far(trials: Sequence[FrozenTrial], application: Application) -> Array:
    """Return the best value after each trial (n,); of two objectives, their hypervolume."""
    signs = _signs(application)
    known = [t.values if t.state == TrialState.COMPLETE else None for t in trials]
    if len(signs) > 1:
        origin = signs * np.array(application.least_gain)
        gains = [None if v is None else signs * np.array(v) - origin for v in known]
        fronts = ([g for g in gains[: i + 1] if g is not None] for i in range(len(gains)))
        return np.array([_hypervolume(front) for front in fronts])
    values = np.array([-np.inf if v is None else signs[0] * v[0] for v in known])
    best = np.maximum.accumulate(values)
    return np.where(np.isfinite(best), signs[0] * best, np.nan)


def _hypervolume(gains: Sequence[Array]) -> float:
    """Return the area that points (2,) dominate above the origin."""
    area, height = 0.0, 0.0
    for width, own in sorted((g.tolist() for g in gains if (g > 0.0).all()), reverse=True):
        area += width * max(0.0, own - height)
        height = max(height, own)
    return area


def write_results(runs: Sequence[Run], application: Application, options: Options) -> str:
    """Write ``table.md`` and ``figure.png`` into the folder, and return the table."""
    text = f"{_table(runs, application)}\n\n{_verdicts(runs, application)}\n"
    (options.folder / "table.md").write_text(text, encoding="utf-8")
    if find_spec("matplotlib") is not None:
        _draw(runs, application, options)
    return text


def _signs(application: Application) -> Array:
    return np.array([1.0 if d == "maximize" else -1.0 for d in application.directions])


def _sign(application: Application) -> float:
    """Return 1 where higher is better, as of a hypervolume, else -1."""
    return float(_signs(application)[0]) if len(application.directions) == 1 else 1.0


def _of(runs: Sequence[Run], way: str) -> list[Run]:
    return sorted((run for run in runs if run.way == way), key=lambda run: run.seed)


def _ways(runs: Sequence[Run]) -> list[str]:
    """Return the ways that there are runs of: there may be none with unrelated priors."""
    return [way for way in WAYS if _of(runs, way)]


def _reached(run: Run, aim: float, sign: float) -> int | None:
    """Return after how many trials a run is as good as ``aim``; None if it never is."""
    (there,) = np.nonzero(sign * run.best >= sign * aim)
    return int(there[0]) + 1 if len(there) else None


def _costs(runs: Sequence[Run], way: str, sign: float) -> tuple[Array, Array]:
    """Return trials and seconds to the value that the seed without transfer ends with, (seeds,).

    They are infinite where it is not reached.
    """
    trials, seconds = [], []
    for run, other in zip(_of(runs, way), _of(runs, "without"), strict=True):
        n = _reached(run, other.best[-1], sign)
        trials.append(n or np.inf)
        seconds.append(run.seconds[n - 1] if n else np.inf)
    return np.array(trials), np.array(seconds)


def _table(runs: Sequence[Run], application: Application) -> str:
    n_seeds, n_trials = len(_of(runs, "without")), len(runs[0].best)
    lines = [
        f"| {_count(n_seeds, 'seed')}, {_count(n_trials, 'trial')} "
        f"| trials to what it ends with without transfer "
        f"| seconds to it | seconds in all | {application.score} at the end "
        f"| {' | '.join(runs[0].tests)} |",
        "|---" * (5 + len(runs[0].tests)) + "|",
    ]
    for way in _ways(runs):
        own = _of(runs, way)
        trials, seconds = _costs(runs, way, _sign(application))
        n_reached = int(np.isfinite(trials).sum())
        lines.append(
            f"| {way} | {_median(trials)} (reached by {n_reached} of {n_seeds}) "
            f"| {_median(seconds)} | {_median([run.seconds[-1] for run in own])} "
            f"| {_mean([run.best[-1] for run in own])} "
            + "".join(f"| {_mean([run.tests[name] for run in own])} " for name in runs[0].tests)
            + "|"
        )
    return "\n".join(lines)


def _verdicts(runs: Sequence[Run], application: Application) -> str:
    """Say of each thing that is wanted whether it is so, with the numbers."""
    sign = _sign(application)
    trials, seconds = _costs(runs, "transfer", sign)
    without = _of(runs, "without")
    ways = _ways(runs)
    finals = {way: sign * np.array([run.best[-1] for run in _of(runs, way)]) for way in ways}
    tests = {way: np.array([*map(_test, _of(runs, way))]) for way in ways}
    share = float(np.median(trials / [len(run.best) for run in without]))
    spent = float(np.median(seconds / [run.seconds[-1] for run in without]))
    better = tests["transfer"] - tests["without"]
    lines: list[tuple[bool | None, str]] = [
        (share <= 1 / 3, f"at most a third of the trials: {_percent(share)}"),
        (spent <= 1 / 2, f"at most half of the seconds: {_percent(spent)}"),
        (bool(better.mean() >= 0.0), f"test score not worse: by {_mean(better)}"),
    ]
    if "unrelated" in ways:
        lost = finals["unrelated"] - finals["without"]
        lost_test = tests["unrelated"] - tests["without"]
        lines += [
            (_is_within(lost), f"unrelated priors cost at most a standard error: {_mean(lost)}"),
            (_is_within(lost_test), f"and so of the test score: {_mean(lost_test)}"),
        ]
    words = {True: "yes", False: "**no**", None: "not known, of one seed"}
    return "\n".join(f"- {words[holds]}: {text}" for holds, text in lines)


def _test(run: Run) -> float:
    """Return the test score that counts."""
    return next(iter(run.tests.values()))


def _is_within(differences: Array) -> bool | None:
    """Return whether no more is lost than a standard error; None where there is none."""
    error = _error(differences)
    return None if error is None else bool(differences.mean() >= -error)


def _error(values: Sequence[float] | Array) -> float | None:
    """Return the standard error of the mean; None of one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _mean(values: Sequence[float] | Array) -> str:
    error = _error(values)
    return f"{np.mean(values):.4f} ± " + ("–" if error is None else f"{error:.4f}")


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _median(values: Sequence[float] | Array) -> str:
    median = np.median(values)
    return f"{median:.0f}" if np.isfinite(median) else "not reached"


def _percent(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else "not reached"


def _draw(runs: Sequence[Run], application: Application, options: Options) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    by_trials, by_seconds = figure.subplots(1, 2, sharey=True)
    for way in _ways(runs):
        own = _of(runs, way)
        trials = np.arange(1.0, len(own[0].best) + 1.0)
        _line(by_trials, trials, np.array([run.best for run in own]), way)
        seconds = np.linspace(0.0, max(run.seconds[-1] for run in own), _N_POINTS)
        _line(by_seconds, seconds, np.array([_at(run, seconds) for run in own]), way)
    by_trials.xaxis.get_major_locator().set_params(integer=True)
    by_trials.set_xlabel("trials of the new study")
    by_seconds.set_xlabel(f"seconds, on {options.device}")
    by_trials.set_ylabel(f"best {application.score} so far")
    by_trials.legend(frameon=False)
    n_seeds = len(_of(runs, WAYS[0]))
    shown = "mean ± standard error of " if n_seeds > 1 else ""
    figure.suptitle(f"{application.name}: {shown}{_count(n_seeds, 'seed')}")
    figure.savefig(options.folder / "figure.png", dpi=90)


def _line(axis: Any, x: Array, curves: Array, way: str) -> None:
    """Draw the mean of curves (seeds, n) from where all of them have begun."""
    mean = curves.mean(axis=0)
    error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves)) if len(curves) > 1 else 0.0 * mean
    axis.plot(x, mean, label=way, color=_COLOURS[way], lw=2)
    axis.fill_between(x, mean - error, mean + error, color=_COLOURS[way], alpha=0.15, lw=0)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _at(run: Run, seconds: Array) -> Array:
    """Return the best value of a run at some seconds; NaN before its first trial ended."""
    n = np.searchsorted(run.seconds, seconds, side="right")
    return np.where(n > 0, run.best[np.maximum(n - 1, 0)], np.nan)
