"""Where a trial's weights came from, in words."""

from __future__ import annotations

import optuna

from optuna_meta import explain_trial
from optuna_meta.sampler.agreement import OF_WEIGHTS
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import source_of
from optuna_meta.sampler.weights_source import start_numbers
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study
from tests.visualization.test_weights_lineage import weights_from


def test_a_source_is_a_study_and_its_checkpoint_in_words() -> None:
    trials = recorded_study([weights_from("digits"), weights_from("a", "b", "c"), {}]).trials
    assert source_of(trials[0]) == ("digits", "trial 3 of digits; 50% of the parameters")
    several = source_of(trials[1])
    assert several is not None and several[0] == "several studies" and "1 more" in several[1]
    assert source_of(trials[2]) is None


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


def test_a_sampler_compares_trials_of_one_start() -> None:
    """The prior studies know the task; what weights gain hides that in all trials together."""

    def objective(trial: optuna.Trial) -> float:
        is_warm = trial.number % 2 == 1
        if is_warm:
            for key, written in weights_from("digits").items():
                trial.set_user_attr(key, written)
        return bowl()(trial) - 100.0 * is_warm

    study = run(bowl(), 0, sampler=meta_sampler(bowl_prior()))
    study.sampler, known = optuna.samplers.RandomSampler(seed=0), study.sampler
    study.optimize(objective, n_trials=12)
    explained = known.explain(study)
    assert not explained.is_from_scratch and OF_WEIGHTS in str(explained)
    assert max(p.agreement or 0.0 for p in explained.priors) > 0.5
    assert {p.n_trials for p in explained.priors} == {11}
