"""A study in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from optuna_meta import explain_trial
from optuna_meta.replay.saving import Saving
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Html
from optuna_meta.reporting.text_style import Markdown
from optuna_meta.reporting.wording import study_text
from optuna_meta.reporting.wording import trial_text
from optuna_meta.sampler.plan import PLAN_KEY
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study
from tests.visualization.studies import telling_study
from tests.visualization.test_weights_lineage import weights_from


def test_a_report_says_what_helped_what_was_dropped_and_what_is_reversed() -> None:
    text = study_text(summarise(telling_study()), Markdown())
    assert "Trust in the prior studies was 0.90 at first and is 0.20 now." in text
    assert "Most help came from `helpful`." in text
    assert "| `noise` | 0.00 | 0.00 | 0 of 8 | unknown | dropped at trial 4 (trust 0.50; " in text
    assert "| -0.70 (9 trials) | reversed |" in text
    assert "* before trial 4: `dropped: noise`" in text
    assert "Not estimated here" in text and "(publish_report(study, sampler); " in text


def test_what_was_left_before_trials_told_is_no_help() -> None:
    """Its share is of the first suggestions, when nobody knew better."""
    shares = [{"good": 0.3, "early": 0.3}] * 2 + [{"good": 0.3}] * 2
    events = [[], [], [], ["dropped: early"]]
    told = [
        record(shares=s, events=e, leaned_on="good") for s, e in zip(shares, events, strict=True)
    ]
    text = study_text(summarise(recorded_study(told)), Markdown())
    assert "Most help came from `good`." in text and "dropped at trial 3" in text
    for attrs in told[:2]:
        attrs[PLAN_KEY]["agreement"] = {"early": [0.5, 9]}
    later = study_text(summarise(recorded_study(told)), Markdown())
    assert "Most help came from `good`, `early`." in later


def test_studies_of_equal_shares_are_named_alike() -> None:
    """Which of two that say much the same is first by rounding says nothing."""
    shares = {"B": 0.3, "A": 0.299, "other": 0.1}
    told = [record(shares=shares, leaned_on="B")] * 3
    study = recorded_study(told)
    text = study_text(summarise(study), Markdown())
    assert "Most help came from `B` and `A` alike, `other`." in text
    assert "| `B` | 0.30 | 0.30 | 3 of 3 |" in text and "| `A` | 0.30 | 0.30 | 3 of 3 |" in text
    assert "They helped most alike: `B`, `A`." in trial_text(study.trials[0], Markdown())
    explained = explain_trial(study, 0)
    assert "helped most, alike: B, A" in str(explained) and "'B and A'" in repr(explained)


@pytest.mark.parametrize(
    ("agreement", "helped"),
    [((-0.01, 24), True), ((0.01, 24), True), ((-0.9, 6), True), ((-0.5, 24), False)],
)
def test_no_help_is_what_trials_speak_against_not_what_they_are_silent_of(
    agreement: tuple[float, int], helped: bool
) -> None:
    told = record(shares={"a": 0.3}, leaned_on="a", agreement={"a": list(agreement)})
    text = study_text(summarise(recorded_study([told])), Markdown())
    assert ("Most help came from `a`." in text) == helped == ("| helped |" in text)


def test_a_saving_is_told_with_its_interval_and_as_an_estimate() -> None:
    summary = summarise(telling_study())
    saving = Saving(5, 0.5, np.array([9.0, 12.0, np.inf]), 20)
    text = study_text(replace(summary, saving=saving), Markdown())
    assert "It has saved about 7 trials (80%: 4 to more than 15). An estimate:" in text
    never = Saving(5, 0.5, np.array([np.inf]), 20)
    assert "saved more than 15 trials (80%: more than 15 to more than 15)" in study_text(
        replace(summary, saving=never), Markdown()
    )
    worse = Saving(5, 0.5, np.array([2.0]), 20)
    assert "It has saved no trial: it has cost 3 (80%: 3 to 3)." in study_text(
        replace(summary, saving=worse), Markdown()
    )


def test_a_saving_names_the_prior_studies_that_it_rests_on() -> None:
    summary = summarise(telling_study())
    saving = Saving(5, 0.5, np.array([9.0]), 20, priors=("helpful", "<b>"))
    text = study_text(replace(summary, saving=saving), Markdown())
    assert "The model rests on `helpful`, `<b>`." in text
    assert "The trials had other prior studies too, `noise`, " in text
    named = tuple(prior.name for prior in summary.priors)
    same = study_text(replace(summary, saving=replace(saving, priors=named)), Markdown())
    assert "other prior studies" not in same
    assert "&lt;b&gt;" in study_text(replace(summary, saving=saving), Html())


def test_a_study_that_went_on_alone_says_so() -> None:
    alone = recorded_study([record(0.9), record(0.05)])
    assert "has gone on alone" in study_text(summarise(alone), Markdown())
    cold = optuna.create_study()
    assert "nothing is known of prior studies" in study_text(summarise(cold), Markdown())


def test_a_study_alone_tells_when_each_study_was_left_and_how_much_say_it_had() -> None:
    told = [record(0.9, shares={"good": 0.5}, leaned_on="good")] * 2 + [record(0.05)] * 2
    text = study_text(summarise(recorded_study(told)), Markdown())
    left = "dropped at trial 2 (study alone, trust 0.05; share 0.50 at trial 1)"
    assert f"| helped, {left} |" in text


def test_weights_that_may_make_an_order_look_reversed_are_told_of() -> None:
    agreement = {"old": [-0.8, 12], "other": [0.2, 12]}
    warm = recorded_study([record(agreement=agreement, warm=True), record()])
    text = study_text(summarise(warm), Markdown())
    assert "no prior study can be called reversed" in text
    assert "In reverse order to its trials from trained weights: `old`." in text
    assert "reversed or not: unclear" in text and "In reverse order to this study" not in text
    cold = study_text(summarise(recorded_study([record(agreement=agreement)])), Markdown())
    assert "In reverse order to this study: `old`." in cold and "unclear" not in cold


def test_weights_are_told_by_source() -> None:
    study = recorded_study([weights_from("digits"), {}], values=[0.25, 1.0])
    text = study_text(summarise(study), Markdown())
    assert "| `digits` | 1 | 0.25 | 0.75 |" in text and "| from scratch | 1 | 1 |  |" in text
    assert "of these trials against that of the one trial from scratch, with other" in text
    trial = trial_text(study.trials[0], Markdown())
    assert trial == "Weights from `trial 3 of digits; 50% of the parameters`."


@pytest.mark.parametrize(
    ("value", "gained"), [(0.25, "better by 1.75"), (2.5, "worse by 0.5")], ids=["better", "worse"]
)
def test_a_gain_says_against_what(value: float, gained: str) -> None:
    attrs = [record() | weights_from("digits"), record(), record()]
    study = recorded_study(attrs, values=[value, 1.0, 3.0])
    told = (
        f"median of 1 trial with this start is {value:.4g}, {gained} than that of 2 trials from "
        "scratch, 2; their hyperparameters differ, too"
    )
    assert f"\n  the {told}\n" in f"{explain_trial(study, 0)}\n"
    text = study_text(summarise(study), Markdown())
    assert "against that of the 2 trials from scratch" in text
    assert "median" not in str(explain_trial(study, 1))


def test_without_a_trial_from_scratch_a_gain_is_unknown() -> None:
    study = recorded_study([record() | weights_from("digits")])
    assert "No trial started from scratch: whether" in study_text(summarise(study), Markdown())
    assert "no trial from scratch tells whether" in str(explain_trial(study, 0))


def test_a_trial_tells_its_shares_its_prediction_and_what_had_happened() -> None:
    trial = telling_study().trials[4]
    text = trial_text(trial, Html())
    assert "with a trust of 0.50" in text and "<code>helpful</code> 0.50" in text
    assert "Predicted: 4.1, likely 3 to 5; it came to 4." in text
    assert "Before it: <code>dropped: noise</code>." in text and "<b>" not in text


def test_a_trial_of_an_earlier_version_tells_what_it_has() -> None:
    study = recorded_study([record(0.9, leaned_on="a"), {}])
    assert "It leaned on `a`." in trial_text(study.trials[0], Markdown())
    assert trial_text(study.trials[1], Markdown()) == ""


def test_a_start_of_which_hardly_anything_fitted_is_one_from_scratch() -> None:
    started = weights_from("digits")
    key = next(iter(started))
    hardly = {key: {**started[key], "share": 0.01}}
    study = recorded_study([hardly, started, {}], values=[0.1, 0.25, 1.0])
    text = study_text(summarise(study), Markdown())
    assert "| `digits` | 1 | 0.25 |" in text and "| from scratch | 2 |" in text
