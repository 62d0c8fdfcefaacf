from __future__ import annotations

from pathlib import Path
import time
from typing import Any

import numpy as np
import optuna
import pytest
from torch import nn

from optuna_meta import Prior
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights.selection.candidate import _score
from tests.weights.toys import store_in


def _study(name: str, values: list[float], direction: str, store: CheckpointStore) -> optuna.Study:
    study = optuna.create_study(study_name=name, direction=direction)
    for value in values:
        trial = study.ask()
        store.save(trial, nn.Linear(1, 1), value=value)
        study.tell(trial, value)
    return study


def test_scores_are_ranks_within_the_study(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    loss = _study("loss", [100.0, 300.0, 200.0], "minimize", store)
    accuracy = _study("accuracy", [0.1, 0.9], "maximize", store)
    single = _study("single", [1e9], "maximize", store)
    found = find_checkpoints([loss, accuracy, single], store)
    scores = {(c.record.study, c.record.value): c.score for c in found}
    assert scores == {
        ("loss", 100.0): pytest.approx(2.5 / 3),
        ("loss", 200.0): pytest.approx(1.5 / 3),
        ("loss", 300.0): pytest.approx(0.5 / 3),
        ("accuracy", 0.9): 0.75,
        ("accuracy", 0.1): 0.25,
        ("single", 1e9): 0.5,
    }
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


def test_what_has_no_finite_value_is_no_candidate_and_copies_come_once(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = _study("a", [0.5], "minimize", store)
    for value, state in [(float("nan"), optuna.trial.TrialState.FAIL), (None, None)]:
        trial = study.ask()
        store.save(trial, nn.Linear(1, 1), value=value)
        if state is not None:
            study.tell(trial, state=state)
    copy = optuna.create_study(study_name="copy")
    copy.add_trials(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))
    found = find_checkpoints([study, copy], store)
    assert [(c.record.trial, c.score) for c in found] == [(0, 0.5)]


def test_scores_of_many_trials_equal_the_definition_and_take_no_time() -> None:
    rng = np.random.default_rng(0)
    for n_objectives in (1, 2):
        values = rng.integers(0, 5, (200, n_objectives)).astype(float)
        for own, place in ((values[0], 0), (values[7], 7)):
            others = np.delete(values, place, axis=0)
            worse = [(o >= own).all() and (o > own).any() for o in others]
            better = [(o <= own).all() and (o < own).any() for o in others]
            expected = (sum(worse) + 0.5 * (200 - sum(worse) - sum(better))) / 200
            assert _score(own, others) == pytest.approx(expected)
    many = rng.random((10_000, 2))
    began = time.process_time()
    for own in many[:100]:
        _score(own, many)
    assert time.process_time() - began < 2.0  # Pairs of all the others would take minutes.


def test_studies_are_named_by_their_storage_or_a_prior(tmp_path: Path) -> None:
    store, url = store_in(tmp_path), f"sqlite:///{tmp_path}/studies.db"
    for name in ("a", "b"):
        study = optuna.create_study(study_name=name, storage=url)
        for place in range(2):
            trial = study.ask()
            trial.suggest_float("x", 0.0, 1.0)
            store.save(trial, nn.Linear(1, 1), value=float(place))
            study.tell(trial, float(place))
    storage = optuna.storages.RDBStorage(url)
    prior = Prior.from_storage(url, ["b"])
    found = {
        "url": find_checkpoints(url, store),
        "storage": find_checkpoints(storage, store),
        "prior": find_checkpoints(prior, store, storage=url),
        "study": find_checkpoints(study, store),
    }
    names = {kind: sorted({c.record.study for c in each}) for kind, each in found.items()}
    assert names == {"url": ["a", "b"], "storage": ["a", "b"], "prior": ["b"], "study": ["b"]}
    with pytest.raises(ValueError, match="A Prior has no checkpoints.* pass storage="):
        find_checkpoints(prior, store)


@pytest.mark.parametrize("wrong", [[1], 3.5, ["a name"], [None]])
def test_what_are_no_studies_is_told(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Wanted studies, a storage or its URL, or a Prior, got"):
        find_checkpoints(wrong, store_in(tmp_path))
    with pytest.raises(ValueError, match="Wanted a CheckpointStore, got PosixPath"):
        find_checkpoints([], tmp_path)  # type: ignore[arg-type]
