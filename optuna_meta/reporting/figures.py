"""The figures of a report: four at most, small, and never empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta.replay.saving import Saving
from optuna_meta.reporting.summary import StudyReport
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.visualization.calibration import plot_calibration
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.prior_effects import plot_prior_effects
from optuna_meta.visualization.relevance import plot_relevance
from optuna_meta.visualization.study_map import plot_study_map
from optuna_meta.visualization.target_values import Target
from optuna_meta.visualization.transfer_history import plot_transfer_history
from optuna_meta.visualization.trust import plot_trust
from optuna_meta.visualization.weights_lineage import plot_weights_lineage


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = ["all_figures", "MOST_BYTES", "published_figures"]

MOST_BYTES = 30_000  # Of a figure: they lie in the study, where all who read it load them.
_TOO_LARGE = "This figure is too large to be stored with the study: draw it from the study."


def _first(study: Study) -> Target | None:
    """Return a target where there are several objectives: the first."""
    return (lambda trial: trial.values[0]) if len(study.directions) > 1 else None


def published_figures(
    study: Study, sampler: BaseSampler | None, summary: StudyReport
) -> dict[str, go.Figure]:
    """Return the figures that lie with the study, by ids that stay the same."""
    target = _first(study)
    drawn: dict[str, Callable[[], go.Figure]] = {"trust": lambda: plot_trust(study)}
    if isinstance(sampler, MetaSampler):
        drawn["history"] = lambda: _history(study, sampler, summary.saving)
        drawn["map"] = lambda: plot_study_map(study, sampler, target=target)
    if summary.gains:
        drawn["more"] = lambda: plot_weights_lineage(study, target=target)
    else:
        drawn["more"] = lambda: plot_calibration(study, target=target)
    return {f"optuna_meta-{name}": _small(draw()) for name, draw in drawn.items()}


def all_figures(
    study: Study, sampler: BaseSampler | None, summary: StudyReport
) -> list[go.Figure]:
    """Return all figures that say something of a study, for a file."""
    target, found = _first(study), [plot_trust(study)]
    if isinstance(sampler, MetaSampler):
        found.append(_history(study, sampler, summary.saving))
        found.append(plot_study_map(study, sampler, target=target))
        found.append(plot_prior_effects(study, sampler, target=target))
        found.append(plot_relevance(study, sampler))
    found.append(plot_calibration(study, target=target))
    if summary.gains:
        found.append(plot_weights_lineage(study, target=target))
    return found


def _history(study: Study, sampler: BaseSampler, saving: Saving | None) -> go.Figure:
    return plot_transfer_history(
        study, sampler, saving=saving, estimate=False, target=_first(study)
    )


def _small(figure: go.Figure) -> go.Figure:
    if len(figure.to_json().encode()) <= MOST_BYTES:
        return figure
    return placeholder(str(figure.layout.title.text), _TOO_LARGE)
