"""Trust in the prior studies, and the share of each, as a study goes on."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna import Study

from optuna_meta._typing import Array
from optuna_meta.sampler.drops import drops
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.visualization.plotly_figure import COLORS
from optuna_meta.visualization.plotly_figure import figure_of
from optuna_meta.visualization.plotly_figure import graph_objects
from optuna_meta.visualization.plotly_figure import numbers
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.plotly_figure import shown_name
from optuna_meta.visualization.plotly_figure import thinned


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = ["AGREEMENT", "ALL", "plot_trust", "records_of", "trust_course", "TrustCourse"]

TITLE = "Trust in the prior studies"
NOTHING = "No trial of this study has a record of MetaSampler."
ALL = "all prior studies"
AGREEMENT = "agreement (highest rank correlation)"
_MOST_STUDIES = 7  # Lines that can be told apart.
_MOST_DROPS = 12


@dataclass(frozen=True)
class TrustCourse:
    """What trials recorded of prior studies, in the order of the trials.

    Args:
        numbers: The trials' numbers.  # (n,)
        trust: Probability that the prior studies inform the study.  # (n,)
        names: The prior studies of the largest shares.
        shares: Signed share of each, 0 where it is not recorded.  # (n, T)
        probes: Which of the trials were tests.  # (n,)
        drops: Number of a trial, and which prior study was left from it on; :data:`ALL` where the
            study has gone on alone.
        agreement: Highest rank correlation of a prior study with the own trials; NaN where none
            is recorded.  # (n,)
    """

    numbers: NDArray[np.int64]  # (n,)
    trust: Array  # (n,)
    names: tuple[str, ...]
    shares: Array  # (n, T)
    probes: NDArray[np.bool_]  # (n,)
    drops: tuple[tuple[int, str], ...]
    agreement: Array  # (n,)


def records_of(study: Study) -> list[TrialRecord]:
    """Return what a study's trials recorded, in their order."""
    found = (read_record(trial) for trial in study.get_trials(deepcopy=False))
    return [record for record in found if record is not None]


def trust_course(records: Sequence[TrialRecord], most_studies: int = _MOST_STUDIES) -> TrustCourse:
    """Gather the records; of many prior studies those of the largest shares."""
    names = list(dict.fromkeys(name for record in records for name in record.shares))
    shares = np.array([[r.shares.get(name, 0.0) for name in names] for r in records])
    shares = shares.reshape(len(records), len(names))
    kept = np.argsort(-np.abs(shares).sum(axis=0), kind="stable")[:most_studies]
    return TrustCourse(
        np.array([r.number for r in records], dtype=np.int64),
        np.array([r.trust for r in records]),
        tuple(names[k] for k in kept),
        shares[:, kept],
        np.array([r.is_probe for r in records], dtype=bool),
        tuple(_drops(records)),
        np.array([max((a for a, _ in r.agreement.values()), default=np.nan) for r in records]),
    )


def _drops(records: Sequence[TrialRecord]) -> Iterator[tuple[int, str]]:
    """Yield when a prior study was dropped, and when all were that had been left."""
    for record in records:
        for event in record.events:
            if event.startswith("dropped: "):
                yield record.number, event.partition(": ")[2]
    yield from {(d.number, ALL) for d in drops(records).values() if d.is_alone}


def plot_trust(study: Study) -> go.Figure:
    """Plot the trust in the prior studies, and the share of each, over the trials.

    Tests of the prior studies and the trials from which one was dropped are marked. A share below
    0 says that the study's order is used in reverse. Where trust falls and the agreement, the
    highest rank correlation of a prior study with the own trials, does not, the prior studies are
    no longer needed; where both are low, they mislead.

    Example:
        .. code-block:: python

            from optuna_meta.visualization import plot_trust

            plot_trust(study).show()

    Args:
        study: A study of ``MetaSampler``'s; it needs no sampler, for its trials have records.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.
    """
    graph_objects()
    course = trust_course(records_of(study))
    if not len(course.numbers):
        return placeholder(TITLE, NOTHING)
    least = min(course.shares.min(initial=0.0), np.nanmin([0.0, *course.agreement]))
    lowest = min(-0.02, 1.1 * float(least))
    marks = [_drop_line(number) for number, _ in course.drops[:_MOST_DROPS]]
    return figure_of(
        _traces(course),
        TITLE,
        xaxis={"title": {"text": "Trial"}},
        yaxis={"title": {"text": "Trust, and shares"}, "range": [lowest, 1.05]},
        shapes=marks,
        annotations=[_drop_label(*drop) for drop in course.drops[:_MOST_DROPS]],
    )


def _traces(course: TrustCourse) -> list[Any]:
    go = graph_objects()
    kept = thinned(len(course.numbers), [*np.flatnonzero(course.probes)])
    x = course.numbers[kept].tolist()
    trust = numbers(course.trust[kept])
    traces = [go.Scatter(x=x, y=trust, name="trust", line={"color": "black", "width": 3})]
    for k, name in enumerate(course.names):
        y, color = numbers(course.shares[kept, k]), COLORS[k % len(COLORS)]
        traces.append(go.Scatter(x=x, y=y, name=shown_name(name), line={"color": color}))
    if np.isfinite(course.agreement).any():
        y, line = numbers(course.agreement[kept]), {"color": "black", "dash": "dot"}
        traces.append(go.Scatter(x=x, y=y, name=AGREEMENT, line=line))
    tests = np.flatnonzero(course.probes)
    if len(tests):
        marker = {"symbol": "diamond-open", "size": 11, "color": "black"}
        x, y = course.numbers[tests].tolist(), numbers(course.trust[tests])
        name = "test of the prior studies"
        traces.append(go.Scatter(x=x, y=y, name=name, mode="markers", marker=marker))
    return traces


def _drop_line(number: int) -> dict[str, Any]:
    line = {"dash": "dot", "width": 1, "color": "#888888"}
    place = {"x0": number, "x1": number, "y0": 0.0, "y1": 1.0, "yref": "paper"}
    return {"type": "line", "line": line, **place}


def _drop_label(number: int, name: str) -> dict[str, Any]:
    text = f"{shown_name(name)} dropped"
    place = {"x": number, "y": 1.0, "yref": "paper", "yanchor": "top", "xanchor": "right"}
    return {"text": text, "textangle": -90, "showarrow": False, "font": {"size": 10}, **place}
