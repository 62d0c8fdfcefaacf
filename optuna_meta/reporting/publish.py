"""A report where optuna-dashboard shows it: notes and figures among a study's attributes.

All who read a study load its attributes, prior studies' readers too: so little is written, and
only what has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import importlib
from importlib.util import find_spec
from typing import Any

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from optuna_meta._optuna import notable
from optuna_meta._optuna import study_system_attrs
from optuna_meta.replay.saving import Saving
from optuna_meta.reporting.figures import published_figures
from optuna_meta.reporting.summary import saving_of
from optuna_meta.reporting.summary import StudyReport
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Markdown
from optuna_meta.reporting.wording import study_text
from optuna_meta.reporting.wording import trial_text
from optuna_meta.sampler.record import read_record
from optuna_meta.visualization.plotly_figure import graph_objects


__all__ = ["publish_report"]

MOST_NOTED = 20  # Trials with a note.
# Invisible in Markdown: what users write before and after stays theirs.
_BEGIN, _END = "[//]: # (optuna-meta begins)", "[//]: # (optuna-meta ends)"


def publish_report(
    study: Study, sampler: BaseSampler | None = None, *, saving: Saving | bool = True
) -> None:
    """Publish a report of a study where optuna-dashboard shows it, in place of an earlier one.

    A note on the study tells which prior studies helped, which were dropped when, and what that
    saved; four figures at most follow it, and 20 trials at most get a note. What others wrote into
    the notes stays.

    Example:
        .. code-block:: python

            study.optimize(objective, n_trials=30)
            publish_report(study)

    Args:
        study: The study, in any storage.
        sampler: The ``MetaSampler`` with its prior studies; by default the study's own, if it is
            one. Without, the report tells what trials have recorded.
        saving: What cold starts need, or whether to estimate it, which takes seconds.

    Raises:
        ImportError: optuna-dashboard or Plotly is not installed.
    """
    dashboard = _dashboard()
    graph_objects()
    used = study.sampler if sampler is None else sampler
    summary, style = summarise(study, saving_of(study, used, saving)), Markdown()
    _note(dashboard, study, study_text(summary, style))
    for trial in noted_trials(study.get_trials(deepcopy=False), summary):
        _note(dashboard, notable(study, trial), trial_text(trial, style, bool(summary.gains)))
    stored = study_system_attrs(study)
    for figure_id, figure in published_figures(study, used, summary).items():
        if _stored_figure(stored, figure_id) != figure.to_json():
            dashboard.save_plotly_graph_object(study, figure, graph_object_id=figure_id)


def noted_trials(trials: Sequence[FrozenTrial], summary: StudyReport) -> list[FrozenTrial]:
    """Choose the trials that get a note: the best, those before which something happened, tests.

    Others follow from the first on, as far as there is room.
    """
    told = {t.number: record for t in trials if (record := read_record(t))}
    best = summary.best.number if summary.best else None
    happened = [number for number, record in told.items() if record.events]
    tests = [number for number, record in told.items() if record.is_probe]
    wanted = dict.fromkeys([*([] if best is None else [best]), *happened, *tests, *told])
    chosen = [number for number in wanted if number in told][:MOST_NOTED]
    return [t for t in trials if t.number in set(chosen) and t.state.is_finished()]


def _dashboard() -> Any:
    """Return optuna-dashboard's module, which takes time to import."""
    if find_spec("optuna_dashboard") is None:
        raise ImportError(
            "publish_report needs optuna-dashboard, which is not installed: "
            "pip install 'optuna-meta[dashboard,plots]'."
        )
    return importlib.import_module("optuna_dashboard")


def _note(dashboard: Any, place: Any, text: str) -> None:
    """Write our part of a note, unless it is there."""
    before = dashboard.get_note(place)
    after = _with_report(before, text)
    if after != before:
        dashboard.save_note(place, after)


def _stored_figure(system_attrs: Mapping[str, Any], figure_id: str) -> str:
    """Return a figure that lies in a study, as optuna-dashboard puts it there in pieces."""
    prefix = f"dashboard:plot_data:{figure_id}:"
    pieces = {k.removeprefix(prefix): v for k, v in system_attrs.items() if k.startswith(prefix)}
    return "".join(str(pieces[key]) for key in sorted(pieces, key=int))


def _with_report(note: str, text: str) -> str:
    """Replace our part of a note, or add it at the end."""
    own = f"{_BEGIN}\n\n{text}\n\n{_END}"
    head, begins, rest = note.partition(_BEGIN)
    if not begins:
        return f"{note.rstrip()}\n\n{own}" if note.strip() else own
    return f"{head}{own}{rest.partition(_END)[2]}"
