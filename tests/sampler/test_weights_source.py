"""Where a trial's weights came from, in words."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_meta import explain_trial
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Markdown
from optuna_meta.reporting.wording import study_text
from optuna_meta.sampler.agreement import OF_WEIGHTS
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import source_of
from optuna_meta.sampler.weights_source import start_numbers
from optuna_meta.sampler.weights_source import start_of
from optuna_meta.sampler.weights_source import WEIGHTS_FROM_KEY
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study
from tests.visualization.test_weights_lineage import own_training
from tests.visualization.test_weights_lineage import weights_from


def test_a_source_is_a_study_and_its_checkpoint_in_words() -> None:
    trials = recorded_study([weights_from("digits"), weights_from("a", "b", "c"), {}]).trials
    assert source_of(trials[0]) == ("digits", "trial 3 of digits; 50% of the parameters")
    several = source_of(trials[1])
    assert several is not None and several[0] == "several studies" and "1 more" in several[1]
    assert source_of(trials[2]) is None


def test_weights_of_no_study_are_a_start_of_their_own() -> None:
    """What a short training from scratch ends with has no checkpoint behind it."""
    made = [own_training(), own_training(0.0), own_training(0.01), weights_from(share=1.0)]
    raw, more = weights_from("digits"), weights_from("digits")
    more[WEIGHTS_FROM_KEY]["made_by"] = "short training"
    trials = recorded_study([*made, raw, more, {}]).trials
    assert [start_of(trial) for trial in trials] == [
        "a short training from scratch",
        SCRATCH,
        SCRATCH,
        "weights of unknown studies",
        "digits",
        "digits after a short training",
        SCRATCH,
    ]
    own = "a short training from scratch, of no prior study; 100% of the parameters"
    assert source_of(trials[0]) == ("a short training from scratch", own)
    assert source_of(trials[1]) is None


@pytest.mark.parametrize(("steps", "told"), [({}, ""), ({"steps": 90}, " of 90 steps")])
def test_a_short_training_is_told_with_its_steps_where_they_are_known(
    steps: dict[str, int], told: str
) -> None:
    of_study, own = weights_from("digits"), own_training()
    of_study[WEIGHTS_FROM_KEY] |= {"made_by": "short training", **steps}
    own[WEIGHTS_FROM_KEY] |= steps
    words = [source_of(trial) or ("", "") for trial in recorded_study([of_study, own]).trials]
    assert words[0][1].startswith(f"trial 3 of digits, after a short training{told} on the new")
    assert words[1][1].startswith(f"a short training from scratch{told}, of no prior study;")


def test_a_checkpoint_that_no_step_made_better_is_the_start_that_it_was() -> None:
    chosen = weights_from("digits")
    chosen[WEIGHTS_FROM_KEY] |= {"made_by": "short training", "steps": 0}
    (trial,) = recorded_study([chosen]).trials
    source = source_of(trial)
    assert source is not None and start_of(trial) == "digits"
    assert source[1].startswith("trial 3 of digits, which no short training on the new data made")


def test_what_a_short_training_from_scratch_gives_is_told() -> None:
    study = recorded_study([record() | own_training(), record()])
    assert "weights: a short training from scratch, of no prior" in str(explain_trial(study, 0))
    assert "weights: from scratch, or nothing" in str(explain_trial(study, 1))
    text = study_text(summarise(study), Markdown())
    assert "### Where weights came from" in text and "| `a short training from scratch` |" in text


def test_an_explanation_tells_where_the_weights_came_from() -> None:
    study = recorded_study([record() | weights_from("digits"), record()])
    explained = explain_trial(study, 0)
    assert explained.weights_from == "trial 3 of digits; 50% of the parameters"
    assert "weights: trial 3 of digits; 50% of the parameters" in str(explained)
    assert "weights: from scratch, or nothing is recorded" in str(explain_trial(study, 1))


def test_of_models_that_nobody_recorded_nothing_is_told() -> None:
    explained = explain_trial(recorded_study([record()]), 0)
    assert explained.weights_from is None and "weights:" not in str(explained)


def test_starts_are_numbered_and_scratch_is_zero() -> None:
    assert start_numbers(["a", SCRATCH, "b", "a"]).tolist() == [1, 0, 2, 1]


@pytest.mark.parametrize("started", [weights_from("digits"), own_training()])
def test_a_sampler_compares_trials_of_one_start(started: dict[str, Any]) -> None:
    """The prior studies know the task; what weights gain hides that in all trials together."""

    def objective(trial: optuna.Trial) -> float:
        is_warm = trial.number % 2 == 1
        if is_warm:
            for key, written in started.items():
                trial.set_user_attr(key, written)
        return bowl()(trial) - 100.0 * is_warm

    study = run(bowl(), 0, sampler=meta_sampler(bowl_prior()))
    study.sampler, known = optuna.samplers.RandomSampler(seed=0), study.sampler
    study.optimize(objective, n_trials=12)
    explained = known.explain(study)
    assert not explained.is_from_scratch and OF_WEIGHTS in str(explained)
    assert max(p.agreement or 0.0 for p in explained.priors) > 0.5
    assert {p.n_trials for p in explained.priors} == {11}
