"""A study's summary, and one of its trials, in words."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from optuna_meta.reporting.summary import PriorReport
from optuna_meta.reporting.summary import StudyReport
from optuna_meta.reporting.text_style import TextStyle
from optuna_meta.sampler.agreement import contradicts
from optuna_meta.sampler.agreement import NOT_COMPARED
from optuna_meta.sampler.agreement import OF_WEIGHTS
from optuna_meta.sampler.agreement import SAME
from optuna_meta.sampler.agreement import UNCLEAR
from optuna_meta.sampler.agreement import UNLIKE
from optuna_meta.sampler.drops import IN_USE
from optuna_meta.sampler.record import leaders
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.shown import REVERSED
from optuna_meta.sampler.shown import UNCLEAR_ORDER
from optuna_meta.sampler.weights_gain import SourceGain
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import source_of
from optuna_meta.suggest.request import LEAST_TRUST


__all__ = ["study_text", "trial_text"]

_MOST_STUDIES = 12
_MOST_EVENTS = 12
_MOST_NAMED = 6
_MOST_HELPERS = 3
_EVENT = 160  # Letters of one.
_MUCH = 0.25  # Of the largest share: less is no help to speak of.
_ALONE = {
    SAME: "the prior studies are no longer needed, for its own trials know more than they.",
    UNLIKE: "the prior studies are not like it, and would have misled.",
    UNCLEAR: "its own trials know more; whether the prior studies misled is not clear.",
}
_READING = (
    "Trust is the probability that prior studies tell more than the own trials alone. It "
    "falls where they mislead, and also where they are no longer needed.",
    "The agreement tells one from the other. It is measured: the rank correlation compares what a "
    "prior study expects with what the own trials came to. 1 is the same order, 0 none, -1 the "
    "reverse; near an optimum, where most trials are alike, it is nearer to 0.",
    "A share is a prior study's part of the advantage that the model expected of a configuration, "
    "from 0 to 1; below 0 its order was used in reverse. The rest is the own trials' part.",
    "A test is a trial chosen as if prior studies were wrong, while nothing could refute them.",
)


def study_text(summary: StudyReport, style: TextStyle) -> str:
    """Write a report of a study."""
    return "\n\n".join(_sections(summary, style))


def _sections(summary: StudyReport, style: TextStyle) -> Iterator[str]:
    yield style.blocks("title", [f"What earlier studies did for {style.name(summary.name)}"])
    yield style.blocks("text", list(_short(summary, style)))
    if summary.priors:
        yield style.blocks("heading", ["Prior studies"])
        yield _prior_table(summary, style)
    yield style.blocks("heading", ["What it saved"])
    yield style.blocks("text", [_saved(summary, style)])
    if summary.gains:
        yield style.blocks("heading", ["Where weights came from"])
        yield _gain_table(summary, style)
        yield style.blocks("text", [_against(summary.gains)])
    if summary.events:
        yield style.blocks("heading", ["What happened"])
        shown = summary.events[:_MOST_EVENTS]
        lines = [f"before trial {number}: {style.name(event, _EVENT)}" for number, event in shown]
        left = len(summary.events) - len(shown)
        yield style.blocks("list", [*lines, *([f"and {left} more"] if left else [])])
    yield style.blocks("heading", ["How to read it"])
    yield style.blocks("list", _READING)


def _short(summary: StudyReport, style: TextStyle) -> Iterator[str]:
    """Tell the most important in one paragraph or two."""
    best = summary.best
    if best is not None:
        yield (
            f"Best value: {best.value:.4g}, of trial {best.number}; "
            f"{summary.n_trials} trials have ended."
        )
    else:
        yield f"{summary.n_trials} trials have ended."
    if summary.trust is None:
        yield "No trial has a record of MetaSampler: nothing is known of prior studies."
        return
    first, last = summary.trust
    by = _by(_helpers(summary), style)
    yield f"Trust in the prior studies was {first:.2f} at first and is {last:.2f} now. {by}"
    kind = summary.opinion.kind
    yield f"Agreement: {style.name(str(summary.opinion), _EVENT)}."
    if not summary.is_from_scratch:
        yield OF_WEIGHTS
    if last < LEAST_TRUST and (first >= LEAST_TRUST or kind != NOT_COMPARED):
        yield f"The study has gone on alone: {_ALONE.get(kind, _ALONE[UNCLEAR])}"
    reversed_ones = [style.name(p.name) for p in summary.priors if p.order == REVERSED]
    if reversed_ones:
        yield f"In reverse order to this study: {', '.join(reversed_ones)}."
    unclear_ones = [style.name(p.name) for p in summary.priors if p.order == UNCLEAR_ORDER]
    if unclear_ones:
        yield (
            f"In reverse order to its trials from trained weights: {', '.join(unclear_ones)}. "
            "Whether these are reversed, or the weights make the difference, is not clear."
        )
    if summary.n_probes:
        yield f"Trials that tested the prior studies: {summary.n_probes}."


def _by(helpers: Sequence[PriorReport], style: TextStyle) -> str:
    """Name the prior studies that helped; in which order equal ones are named says nothing."""
    if not helpers:
        return "None of them helped."
    alike = leaders({prior.name: prior.share for prior in helpers})
    names = [style.name(name) for name in alike[:_MOST_NAMED]]
    names += [f"{len(alike) - _MOST_NAMED} more"] if len(alike) > _MOST_NAMED else []
    first = [" and ".join(names) + " alike"] if len(names) > 1 else names
    others = [style.name(prior.name) for prior in helpers if prior.name not in alike]
    named = [*first, *others[: max(0, _MOST_HELPERS - len(names))]]
    return f"Most help came from {', '.join(named)}."


def _helpers(summary: StudyReport) -> list[PriorReport]:
    """Return the prior studies that helped most, these first."""
    sizes = [prior.share for prior in summary.priors]
    if max(sizes, default=0.0) <= 0.0:  # Earlier versions recorded no shares.
        led = [prior for prior in summary.priors if prior.n_led]
        return sorted(led, key=lambda prior: -prior.n_led)
    return [prior for prior in summary.priors if _helped(prior, max(sizes))]


def _helped(prior: PriorReport, most: float) -> bool:
    """Tell whether a prior study had much of the greatest mean share, and no trials against it.

    Before any trial shows which one misleads all have a share: one that was left then is no help.
    """
    counts = prior.share >= _MUCH * most if most > 0.0 else bool(prior.n_led)
    is_against = prior.agreement is not None and contradicts(*prior.agreement)
    return counts and not is_against and (not _was_refuted(prior) or prior.led_later)


def _was_refuted(prior: PriorReport) -> bool:
    """Tell whether a prior study was left alone: with all others, it may have done its part."""
    return prior.dropped is not None and not prior.dropped.is_alone


def _prior_table(summary: StudyReport, style: TextStyle) -> str:
    header = ["prior study", "mean share", "last share", "led", "rank correlation", "state"]
    shown = summary.priors[:_MOST_STUDIES]
    most = max((prior.share for prior in summary.priors), default=0.0)
    rows = [
        [
            style.name(prior.name),
            f"{prior.share:.2f}",
            f"{prior.last_share:.2f}",
            f"{prior.n_led} of {summary.n_recorded}",
            _agreement(prior),
            _state(prior, most),
        ]
        for prior in shown
    ]
    left = len(summary.priors) - len(shown)
    if left:
        rows.append([f"and {left} more", *[""] * (len(header) - 1)])
    return style.table(header, rows)


def _agreement(prior: PriorReport) -> str:
    if prior.agreement is None or not np.isfinite(prior.agreement[0]):
        return "unknown"
    return f"{prior.agreement[0]:.2f} ({prior.agreement[1]} trials)"


def _state(prior: PriorReport, most: float) -> str:
    """Say what became of a prior study, where the greatest mean share of any is ``most``."""
    parts = [prior.order] if prior.order else []
    parts += ["helped"] if _helped(prior, most) else []
    parts += [str(prior.dropped)] if prior.dropped is not None else []
    if not parts and prior.last_share <= -IN_USE:
        return "used in reverse"
    has_some = prior.share > 0.0 or prior.last_share != 0.0
    return ", ".join(parts) or ("little say" if has_some else "no say")


def _saved(summary: StudyReport, style: TextStyle) -> str:
    if not summary.n_recorded:
        return "No trial of this study is MetaSampler's: there is nothing to save."
    if summary.saving is None:
        return (
            "Not estimated here: that takes the MetaSampler with its prior studies, which a study "
            "loaded without it lacks (publish_report(study, sampler); report_every= does not "
            "estimate), one objective without constraints, and three trials that started as the "
            "best one did, from scratch or from the same weights."
        )
    saving = summary.saving
    parts = [saving.headline, saving.details]
    if saving.is_estimate and saving.priors:
        parts.append(f"The model rests on {_listed(saving.priors, style)}.")
        if left := [prior.name for prior in summary.priors if prior.name not in saving.priors]:
            parts.append(
                f"The trials had other prior studies too, {_listed(left, style)}: with those, the "
                "estimate would be another."
            )
    return " ".join(parts)


def _listed(names: Sequence[str], style: TextStyle) -> str:
    shown = ", ".join(style.name(name) for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"


def _gain_table(summary: StudyReport, style: TextStyle) -> str:
    rows = []
    for gain in summary.gains[:_MOST_STUDIES]:
        is_scratch = gain.source == SCRATCH
        known = np.isfinite(gain.gain) and not is_scratch
        gained = f"{gain.gain:.3g}" if known else "" if is_scratch else "unknown"
        name = SCRATCH if is_scratch else style.name(gain.source)
        rows.append([name, str(len(gain.indices)), f"{gain.median:.4g}", gained])
    return style.table(["weights from", "trials", "median value", "better by"], rows)


def _against(gains: Sequence[SourceGain]) -> str:
    """Say against what weights are better."""
    n = sum(len(gain.indices) for gain in gains if gain.source == SCRATCH)
    if not n:
        return "No trial started from scratch: whether the weights were better is unknown."
    trials = f"the {n} trials" if n > 1 else "the one trial"
    return (
        f"Better by: the median of these trials against that of {trials} from scratch, with other "
        "hyperparameters."
    )


def trial_text(trial: FrozenTrial, style: TextStyle, has_lineage: bool = False) -> str:
    """Write why a trial is what it is; empty where nothing is recorded of it.

    Args:
        trial: The trial.
        style: How to write it.
        has_lineage: Whether any trial of the study has recorded where its weights came from.
    """
    record, source = read_record(trial), source_of(trial)
    lines = []
    if record is not None:
        lines.append(f"From {record.source}, with a trust of {record.trust:.2f} in prior studies.")
        shares = [f"{style.name(name)} {share:.2f}" for name, share in record.shares.items()]
        if shares:
            lines.append(f"Shares: {', '.join(shares)}.")
        if len(record.leaders) > 1:
            lines.append(f"They helped most alike: {_listed(record.leaders, style)}.")
        elif not shares and record.leaned_on:
            lines.append(f"It leaned on {style.name(record.leaned_on)}.")
        for k, (mean, low, high) in enumerate(record.predicted):
            came = trial.values[k] if trial.values else None
            ended = "" if came is None else f"; it came to {came:.4g}"
            lines.append(f"Predicted: {mean:.4g}, likely {low:.4g} to {high:.4g}{ended}.")
        lines += [f"Before it: {style.name(event, _EVENT)}." for event in record.events[:3]]
    if source is not None:
        lines.append(f"Weights from {style.name(source[1], _EVENT)}.")
    elif has_lineage and lines:
        lines.append(f"Weights {SCRATCH}, or nothing is recorded of them.")
    return style.blocks("text", lines)
