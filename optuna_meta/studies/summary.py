"""What prior studies hold, for people: as a text, and as a table in notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np

from optuna_meta._html import bounded
from optuna_meta._html import html_table
from optuna_meta._html import listed
from optuna_meta.studies.task import Task


__all__ = ["PriorSummary", "StudySummary", "summarized"]

_MOST_SHOWN = 30  # Studies in a text.


@dataclass(frozen=True)
class StudySummary:
    """One prior study.

    Args:
        study: Its name.
        n_trials: How many of its trials count.
        outcomes: Its objectives and constraints.
        parameters: What it has tuned.
        n_features: How many meta-features of its data set are known.
    """

    study: str
    n_trials: int
    outcomes: tuple[str, ...]
    parameters: tuple[str, ...]
    n_features: int


@dataclass(frozen=True, repr=False)
class PriorSummary:
    """What prior studies hold.

    Args:
        studies: The studies that can serve.
        parameters: All their parameters.
        left_out: The studies that cannot, and why.
    """

    studies: tuple[StudySummary, ...]
    parameters: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_trials(self) -> int:
        """How many trials the studies have together."""
        return sum(study.n_trials for study in self.studies)

    def __repr__(self) -> str:
        out = f", {len(self.left_out)} left out" if self.left_out else ""
        return (
            f"Prior({len(self.studies)} studies{out}, {self.n_trials} trials, "
            f"{len(self.parameters)} parameters: {listed(self.parameters, 6) or 'none'})"
        )

    def __str__(self) -> str:
        names = [bounded(study.study) for study in self.studies[:_MOST_SHOWN]]
        width = max(map(len, names), default=0)
        lines = [repr(self)]
        for name, s in zip(names, self.studies, strict=False):
            features = f"; {s.n_features} meta-features" if s.n_features else ""
            lines.append(
                f"  {name:{width}}  {s.n_trials} trials; {listed(s.outcomes)}; "
                f"{listed(s.parameters, 8)}{features}"
            )
        if len(self.studies) > _MOST_SHOWN:
            lines.append(f"  ... and {len(self.studies) - _MOST_SHOWN} more")
        out = list(self.left_out.items())
        lines += [f"  left out: {bounded(n)}: {bounded(why, 200)}" for n, why in out[:_MOST_SHOWN]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        header = ["prior study", "trials", "outcomes", "parameters", "meta-features"]
        rows = [
            [s.study, s.n_trials, listed(s.outcomes), listed(s.parameters), s.n_features]
            for s in self.studies
        ]
        out = [[name, f"left out: {why}", "", "", ""] for name, why in self.left_out.items()]
        return html_table(repr(self), header, [*out[:5], *rows])


def summarized(
    tasks: Sequence[Task], parameters: tuple[str, ...], left_out: Mapping[str, str]
) -> PriorSummary:
    """Summarise the tasks of prior studies.

    Args:
        tasks: The tasks.
        parameters: Names of all D dimensions.
        left_out: The studies that cannot serve, and why.
    """
    by_study: dict[str, list[Task]] = {}
    for task in tasks:
        by_study.setdefault(task.name, []).append(task)
    studies = (_summary(own, np.array(parameters, dtype=object)) for own in by_study.values())
    return PriorSummary(tuple(studies), parameters, left_out)


def _summary(tasks: Sequence[Task], parameters: np.ndarray) -> StudySummary:
    first = tasks[0]
    tuned = tuple(str(name) for name in parameters[first.tuned])
    return StudySummary(
        first.name, len(first.values), tuple(map(_named, tasks)), tuned, len(first.meta_features)
    )


def _named(task: Task) -> str:
    outcome = task.outcome
    if outcome.is_constraint:
        return f"constraint {outcome.name}"
    return outcome.name or f"objective {outcome.position}"
