"""Whatever Optuna takes, a checkpoint takes: it never ends a trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from tests.weights.toys import linear
from tests.weights.toys import store_in


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
@pytest.mark.parametrize(
    ("choices", "text"),
    [
        (list(2 ** np.arange(1, 2)), 2),
        ([np.float32(0.5)], 0.5),
        ([nn.ReLU], "torch.nn.modules.activation.ReLU"),
        ([(1, ("a", None))], [1, ["a", None]]),
        ([None], None),
        ([torch.float16], "torch.float16"),
        ([{"a": (1, 2)}], {"a": [1, 2]}),
    ],
)
def test_any_parameter_is_written(tmp_path: Path, choices: list[Any], text: Any) -> None:
    store, trial = store_in(tmp_path), optuna.create_study().ask()
    trial.suggest_categorical("c", choices)
    record = store.save(trial, linear(0.5))
    assert store.load(record).metadata.params == {"c": text}


@pytest.mark.parametrize("number", [3, 3.0, np.int64(3), np.float32(3.0), torch.tensor(3)])
def test_any_number_is_a_step_and_a_value(tmp_path: Path, number: Any) -> None:
    store, trial = store_in(tmp_path), optuna.create_study().ask()
    value = torch.tensor(0.25, requires_grad=True)
    record = store.save(trial, linear(), step=number, value=value)  # type: ignore[arg-type]
    assert (record.step, record.value) == (3, 0.25)
    assert json.dumps(trial.user_attrs)
    with pytest.raises(ValueError, match="A whole number is wanted, got 2.5"):
        store.save(trial, linear(), step=2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["𠮷" * 300, "a/../\0b", "\udc80", "..", " ", "CON:"])
def test_any_study_name_is_written(tmp_path: Path, name: str) -> None:
    store, study = store_in(tmp_path), optuna.create_study(study_name=name)
    record = store.save(study.ask(), linear(0.5), value=0.5)
    assert store.load(record).metadata.study == name
    assert store.verify(study).ok
