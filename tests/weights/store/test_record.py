from __future__ import annotations

import json
from pathlib import Path

import optuna
from optuna.trial import create_trial

from optuna_meta.weights.store.record import RECORDS_KEY
from tests.weights.toys import saved
from tests.weights.toys import store_in


def test_the_attribute_is_small_and_sorts(tmp_path: Path) -> None:
    study = saved(store_in(tmp_path), [0.25], step=3, tags=["final"])
    trial = study.trials[0]
    assert trial.user_attrs == {"ckpt:value": 0.25, "ckpt:step": 3}
    assert len(json.dumps(trial.system_attrs)) < 1000


def test_records_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """They were user attributes."""
    store = store_in(tmp_path)
    (trial,) = saved(store, [0.25], step=3).trials
    hidden = dict(trial.system_attrs)
    old = optuna.create_study(study_name="digits of old")
    user_attrs = trial.user_attrs | {RECORDS_KEY: hidden.pop(RECORDS_KEY)}
    old.add_trial(create_trial(value=0.25, user_attrs=user_attrs, system_attrs=hidden))
    assert [record.step for record in store.records(old)] == [3]
    assert store.verify(old).ok
