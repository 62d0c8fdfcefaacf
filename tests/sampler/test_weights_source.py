"""Where a trial's weights came from, in words."""

from __future__ import annotations

from optuna_meta import explain_trial
from optuna_meta.sampler.weights_source import source_of
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
