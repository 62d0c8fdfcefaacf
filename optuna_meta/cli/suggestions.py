"""``preview`` and ``explain``: what would be tried next, and why a trial is what it is."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any
import warnings

from optuna import Study

from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_format
from optuna_meta.cli.options import add_prior
from optuna_meta.cli.options import add_study
from optuna_meta.cli.options import MissingPriors
from optuna_meta.cli.options import sampler_of
from optuna_meta.cli.options import study_of
from optuna_meta.cli.output import write
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.past_trial import explain_trial
from optuna_meta.sampler.record import read_record


__all__ = ["add"]


def add(commands: Any) -> None:
    """Add both commands."""
    preview = add_command(
        commands,
        "preview",
        _preview,
        "tell which configurations would be tried next, without spending a trial",
        "optuna-meta preview --storage sqlite:///new.db --study-name new --prior old.safetensors",
    )
    add_study(preview)
    preview.add_argument("-n", type=int, default=5, metavar="N", help="how many; 5 by default")
    add_prior(preview)
    add_format(preview)
    explain = add_command(
        commands,
        "explain",
        _explain,
        "tell why the next trial will be what it is, or why a past one was",
        "optuna-meta explain --storage sqlite:///new.db --study-name new --trial 7",
    )
    add_study(explain)
    explain.add_argument("--trial", type=int, metavar="N", help="a past trial, from its record")
    add_prior(explain)
    add_format(explain, None)


def _preview(arguments: argparse.Namespace) -> None:
    study = study_of(arguments)
    explanations = sampler_of(arguments, study).preview(study, arguments.n)
    write([_previewed(e) for e in explanations], arguments.format)


def _previewed(explanation: Explanation) -> dict[str, Any]:
    return {
        "params": dict(explanation.params),
        "source": explanation.source,
        "trust": explanation.trust,
        "leans_on": list(explanation.leaders),
        "predicted": [interval[0] for interval in explanation.predicted],
        "beats": explanation.beats,
    }


def _explain(arguments: argparse.Namespace) -> None:
    study = study_of(arguments)
    explanation = _explanation(arguments, study)
    if arguments.format is None:
        print(explanation)
    elif arguments.format in ("json", "yaml"):
        write([_explained(explanation)], arguments.format)
    else:
        write([asdict(prior) for prior in explanation.priors], arguments.format)


def _explained(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as plain values, of which each has a name."""
    named = [dict(zip(("mean", "low", "high"), p, strict=True)) for p in explanation.predicted]
    return asdict(explanation) | {"predicted": named}


def _explanation(arguments: argparse.Namespace, study: Study) -> Explanation:
    """Explain what is asked for; without its prior studies the last that is recorded."""
    if arguments.trial is not None:
        return explain_trial(study, arguments.trial)
    try:
        return sampler_of(arguments, study).explain(study)
    except MissingPriors as error:
        last = max(t.number for t in study.get_trials(deepcopy=False) if read_record(t))
        warnings.warn(f"{error} Told is trial {last}, the last with a record.", stacklevel=2)
        return explain_trial(study, last)
