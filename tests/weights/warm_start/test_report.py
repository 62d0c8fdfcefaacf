from __future__ import annotations

import json
from pathlib import Path

import optuna
import torch
from torch import nn

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.warm_start.initialize import initialize
from optuna_meta.weights.warm_start.report import record_lineage
from optuna_meta.weights.warm_start.report import WEIGHTS_FROM_KEY
from tests.weights.warm_start.toys import copied
from tests.weights.warm_start.toys import network


def test_the_table_names_everything() -> None:
    source, model = network(outputs=5, seed=1), network(seed=2)
    state = copied(source) | {"extra": torch.zeros(1)}
    del state["1.bias"]
    text = str(initialize(model, state, partial="skip"))
    assert text.splitlines()[0] == "48 of 83 parameters loaded (57.8%)"
    assert "mismatched  3.weight               (5, 8) float32  (3, 8) float32" in text
    assert "missing     1.bias" in text and "unexpected  extra" in text


def test_the_trial_records_where_its_weights_came_from() -> None:
    source = Checkpoint.from_model(network(seed=1), study="earlier", trial=7)
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        record_lineage(trial, initialize(network(seed=2), source))
        return 0.0

    study.optimize(objective, n_trials=1)
    record = study.trials[0].user_attrs[WEIGHTS_FROM_KEY]
    assert record["sources"] == [{"study": "earlier", "trial": 7, "sha256": "", "weight": 1.0}]
    assert record["share"] == 1.0 and record["missing"] == 0


def test_the_record_stays_small() -> None:
    state = {f"{'very_long_name' * 9}_{i}": torch.zeros(1) for i in range(300)}
    report = initialize(nn.Linear(1, 1), state | {"weight": torch.zeros(1, 1)}, partial="skip")
    assert len(json.dumps(report.summary())) < 2000
    assert report.summary()["unexpected"] == 300


def test_lineage_goes_from_study_to_study(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "artifacts")
    earlier = [optuna.create_study(study_name=name) for name in ("first", "second")]
    for study in earlier:
        study.optimize(lambda trial: float(store.save(trial, network(seed=1)).trial), n_trials=1)
    loaded = [store.load(store.records(study)[0]) for study in earlier]
    later = optuna.create_study(study_name="third")

    def objective(trial: optuna.Trial) -> float:
        model = network(seed=2)
        report = initialize(model, average(loaded, [3.0, 1.0]))
        record_lineage(trial, report)
        store.save(trial, model)
        return report.share

    later.optimize(objective, n_trials=1)
    sources = later.trials[0].user_attrs[WEIGHTS_FROM_KEY]["sources"]
    assert [(s["study"], s["trial"], s["weight"]) for s in sources] == [
        ("first", 0, 0.75),
        ("second", 0, 0.25),
    ]
    assert all(len(s["sha256"]) == 64 for s in sources)
    report = initialize(network(seed=3), store.load(store.records(later)[0]))
    assert [origin.study for origin in report.origins] == ["third"]
