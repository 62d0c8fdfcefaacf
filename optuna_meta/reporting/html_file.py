"""A report as one file that needs nothing else: text, tables, figures and what draws them."""

from __future__ import annotations

import html
import importlib

from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta.replay.saving import Saving
from optuna_meta.reporting.figures import all_figures
from optuna_meta.reporting.summary import saving_of
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Html
from optuna_meta.reporting.wording import study_text
from optuna_meta.reporting.wording import trial_text
from optuna_meta.visualization.plotly_figure import graph_objects


__all__ = ["html_report"]

_MOST_TRIALS = 100
_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
table { border-collapse: collapse; } th, td { border: 1px solid #ccc; padding: .2rem .6rem; }
th { background: #f4f6f8; text-align: left; } code { background: #f4f6f8; padding: 0 .2rem; }
summary { cursor: pointer; }
"""


def html_report(
    study: Study, sampler: BaseSampler | None = None, *, saving: Saving | bool = True
) -> str:
    """Return a report of a study as one HTML file, which loads nothing from anywhere.

    Example:
        .. code-block:: python

            Path("report.html").write_text(html_report(study, sampler), encoding="utf-8")

    Args:
        study: The study.
        sampler: The ``MetaSampler`` with its prior studies; by default the study's own, if it is
            one. Without, the report tells what trials have recorded.
        saving: What cold starts need, or whether to estimate it, which takes seconds.

    Raises:
        ImportError: Plotly is not installed.
    """
    graph_objects()
    used = study.sampler if sampler is None else sampler
    summary = summarise(study, saving_of(study, used, saving))
    style, offline = Html(), importlib.import_module("plotly.offline")
    figures = all_figures(study, used, summary)
    drawn = [
        f.to_html(
            config={"displaylogo": False},
            include_plotlyjs=False,
            full_html=False,
            div_id=f"figure-{k}",
        )
        for k, f in enumerate(figures)
        if f.data  # Others only say that there is nothing to show.
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{html.escape(study.study_name)}</title><style>{_STYLE}</style>",
            f"<script>{offline.get_plotlyjs()}</script></head><body>",
            study_text(summary, style),
            *drawn,
            _trials(study, style, bool(summary.gains)),
            "</body></html>",
        ]
    )


def _trials(study: Study, style: Html, has_lineage: bool) -> str:
    """Write each trial's own story, folded away."""
    trials = study.get_trials(deepcopy=False)
    texts = [(t.number, trial_text(t, style, has_lineage)) for t in trials]
    known = [(number, text) for number, text in texts if text][-_MOST_TRIALS:]
    return "\n".join(
        f"<details><summary>Trial {number}</summary>{text}</details>" for number, text in known
    )
