from __future__ import annotations

import pytest
import torch

from optuna_meta.weights.fine_tuning.freeze import freeze
from optuna_meta.weights.fine_tuning.learning_rates import parameter_groups
from tests.weights.fine_tuning.toys import changed
from tests.weights.fine_tuning.toys import copied
from tests.weights.fine_tuning.toys import network
from tests.weights.fine_tuning.toys import train


def test_learning_rates_fall_towards_the_input() -> None:
    model = network()
    groups = parameter_groups(model, 0.1, decay=0.5)
    assert [group["lr"] for group in groups] == pytest.approx([0.025, 0.05, 0.1])
    assert [len(group["params"]) for group in groups] == [4, 2, 2]
    assert groups[-1]["params"][0] is model[4].weight
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    train(model, optimiser=torch.optim.SGD(groups))


def test_a_decay_of_one_is_plain_training() -> None:
    a, b = network(), network()
    for model, parameters in ((a, a.parameters()), (b, parameter_groups(b, 0.1, decay=1.0))):
        torch.manual_seed(1)
        train(model, optimiser=torch.optim.SGD(parameters, lr=0.1))  # type: ignore[arg-type]
    assert not changed(a, copied(b))


def test_layers_and_weight_decay_are_given() -> None:
    model = network()
    freeze(model, ["3"])
    groups = parameter_groups(model, 0.1, layers=[["0", "1"], ["*"]], weight_decay=0.01)
    found = [(round(g["lr"], 9), g["weight_decay"], len(g["params"])) for g in groups]
    expected = [(0.075, 0.01, 1), (0.075, 0.0, 3), (0.1, 0.01, 1), (0.1, 0.0, 1)]
    assert sorted(found) == sorted(expected)
    with pytest.raises(ValueError, match="'0.weight' is in none of the 1 layers"):
        parameter_groups(model, 0.1, layers=[["4"]])
    with pytest.raises(ValueError, match="must be positive"):
        parameter_groups(model, 0.0)
