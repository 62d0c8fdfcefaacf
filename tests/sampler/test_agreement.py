"""Whether prior studies agree with own trials, and why a study goes on alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
from scipy.stats import spearmanr

from optuna_meta import explain_trial
from optuna_meta import MetaSampler
from optuna_meta import study_events
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Markdown
from optuna_meta.reporting.wording import study_text
from optuna_meta.sampler.agreement import interval
from optuna_meta.sampler.agreement import is_reverse
from optuna_meta.sampler.agreement import measured
from optuna_meta.sampler.agreement import NOT_COMPARED
from optuna_meta.sampler.agreement import opinion
from optuna_meta.sampler.agreement import SAME
from optuna_meta.sampler.agreement import UNCLEAR
from optuna_meta.sampler.agreement import UNLIKE
from optuna_meta.suggest.comparison import Comparison
from optuna_meta.suggest.request import Suggestion
from tests.toys import run


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_an_interval_holds_as_often_as_it_says(correlation: float) -> None:
    """Of pairs of normal variables, whose rank correlation in the limit is known."""
    rng = np.random.default_rng(0)
    limit = 6 / math.pi * math.asin(correlation / 2)
    held = 0
    for _ in range(300):
        x, noise = rng.standard_normal((2, 20))
        y = correlation * x + math.sqrt(1 - correlation**2) * noise
        low, high = interval(float(spearmanr(x, y).statistic), 20, wrong=0.1)
        held += low <= limit <= high
    assert 0.86 <= held / 300 <= 0.94


def test_few_trials_show_nothing() -> None:
    assert interval(1.0, 7) == interval(math.nan, 20) == (-1.0, 1.0)
    assert 0.9 < interval(1.0, 8)[0] < interval(1.0, 8)[1] < 1.0


def test_a_reversed_order_takes_more_where_the_model_does_not_see_it() -> None:
    agreement = {"a": (-0.6, 12), "b": (-0.9, 12), "c": (-0.1, 12)}
    assert [is_reverse(agreement, name, False) for name in "abcd"] == [False, True, False, False]
    assert [is_reverse(agreement, name, True) for name in "abcd"] == [True, True, False, False]


@pytest.mark.parametrize(
    ("agreement", "kind", "told"),
    [
        ({"a": (0.8, 20), "b": (-0.1, 20)}, SAME, "rank correlation on 20 trials: a 0.80"),
        ({"a": (0.1, 40), "b": (-0.1, 40)}, UNLIKE, "best rank correlation on 40 trials: a 0.10"),
        ({"a": (-0.4, 12)}, UNLIKE, "no prior study agrees"),
        ({"a": (0.3, 12)}, UNCLEAR, "no prior study clearly agrees"),
        ({"a": (0.9, 5)}, UNCLEAR, "too few own trials"),
        ({}, NOT_COMPARED, "no prior study could be compared"),
    ],
)
def test_what_is_needed_no_longer_is_told_from_what_misleads(
    agreement: dict[str, tuple[float, int]], kind: str, told: str
) -> None:
    found = opinion(agreement)
    assert found.kind == kind and told in str(found)


def test_the_best_of_many_is_more_often_good_by_chance() -> None:
    best = {"a": (0.6, 20), "b": (-0.72, 20)}
    assert opinion(best).kind == SAME and opinion(best, 200).kind == UNCLEAR
    assert is_reverse(best, "b", False) and not is_reverse(best, "b", False, 200)


def test_what_weighs_next_to_nothing_vouches_for_nothing() -> None:
    none = np.zeros(2)
    compared = Comparison(np.array([0.1, 0.9]), 20, True)
    suggestion = Suggestion(none, 20, 0.5, np.array([0.99, 0.01]), none, compared, order=(0, 1))
    assert measured(suggestion, ["study", "noise"]) == {"study": (0.1, 20)}


def test_without_prior_studies_there_is_nothing_to_agree_with() -> None:
    study = run(steep(0.3), 12, sampler=MetaSampler(seed=0))
    told = study_text(summarise(study), Markdown())
    assert "too few own trials" not in told and "gone on alone" not in told


def steep(centre: float) -> Any:
    def objective(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return (x - centre) ** 2 + (y - centre) ** 2

    return objective


def after(target: float, *priors: float) -> optuna.Study:
    """A study after prior studies of these centres, ten random trials of which are there."""
    old = [run(steep(c), 12, seed=i, study_name=f"prior {i}") for i, c in enumerate(priors)]
    study = run(steep(target), 10, seed=9)
    study.sampler = MetaSampler(prior_studies=old, seed=0)
    study.optimize(steep(target), n_trials=14)
    return study


def test_own_trials_that_know_more_are_no_reproach_to_the_prior_studies() -> None:
    """The prior studies are of the very same function, which own trials come to know better."""
    study = after(0.4, 0.4, 0.4)
    summary = summarise(study)
    assert summary.trust is not None and summary.trust[-1] < 0.1
    (alone,) = [event for _, event in study_events(study) if event.startswith("alone:")][-1:]
    assert alone.startswith(f"alone: {SAME}: prior studies agree with the own trials (")
    text = study_text(summary, Markdown())
    assert "no longer needed" in text and "would have misled" not in text
    assert "agreement: prior studies agree" in str(explain_trial(study, len(study.trials) - 1))


def test_prior_studies_that_mislead_are_told_to() -> None:
    study = after(0.9, 0.1, 0.12)
    summary = summarise(study)
    assert summary.trust is not None and summary.trust[-1] < 0.1
    (alone,) = [event for _, event in study_events(study) if event.startswith("alone:")][-1:]
    assert alone.startswith(f"alone: {UNLIKE}: no prior study agrees with the own trials (")
    text = study_text(summary, Markdown())
    assert "would have misled" in text and "no longer needed, for" not in text
    assert "agreement: no prior study agrees" in str(explain_trial(study, len(study.trials) - 1))
