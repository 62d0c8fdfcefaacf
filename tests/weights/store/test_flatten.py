from __future__ import annotations

from collections import OrderedDict
import json
import math

import numpy as np
import pytest
import torch

from optuna_meta.weights.store.flatten import flatten
from optuna_meta.weights.store.flatten import unflatten


def test_what_is_flattened_comes_back() -> None:
    nested = {
        "state": {0: {"step": torch.tensor(3.0), "list": [torch.ones(2), None]}, 1: {}},
        "groups": [{"betas": (0.9, 0.999), "lr": 1e-3, "on": True, "name": "a"}, ()],
        "infinite": -math.inf,
        "numpy": np.float64(0.1),
    }
    tree, tensors = flatten(nested)
    assert set(tensors) == {"state.state.0.step", "state.state.0.list.0"}
    back = unflatten(json.loads(json.dumps(tree)), tensors)
    assert back.keys() == nested.keys()
    assert back["groups"] == nested["groups"]
    assert (back["infinite"], back["numpy"]) == (-math.inf, 0.1)
    assert back["state"][1] == {} and back["state"][0]["list"][1] is None
    assert back["state"][0]["list"][0] is tensors["state.state.0.list.0"]


def test_optimizers_come_back() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    optimizers = [
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        torch.optim.AdamW(model.parameters(), amsgrad=True),
        torch.optim.Adagrad([{"params": model[0].parameters(), "lr": torch.tensor(0.1)}]),
        torch.optim.LBFGS(model.parameters()),
        torch.optim.Rprop(model.parameters()),
    ]
    for optimizer in optimizers:
        for _ in range(3):
            optimizer.step(lambda: _loss(model))
        state = optimizer.state_dict()
        tree, tensors = flatten(state)
        back = unflatten(json.loads(json.dumps(tree)), tensors)
        assert repr(back) == repr(_plain(state))


def test_what_is_neither_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"state\.a\.1 is of type function.* pickle"):
        flatten({"a": [1, flatten]})
    with pytest.raises(ValueError, match="state.a is of type dict"):
        flatten({"a": {(1, 2): 3}})
    with pytest.raises(ValueError, match="Two tensors .* 'state.a.b'"):
        flatten(OrderedDict([("a", {"b": torch.ones(1)}), ("a.b", torch.ones(1))]))
    with pytest.raises(ValueError, match="got 'pickle'"):
        unflatten({"pickle": "x"}, {})


def _loss(model: torch.nn.Module) -> torch.Tensor:
    model.zero_grad()
    loss: torch.Tensor = (model(torch.ones(2, 3)) ** 2).sum()
    loss.backward()
    return loss


def _plain(nested: object) -> object:
    """Nested, with dictionaries of the plain kind only."""
    if isinstance(nested, dict):
        return {key: _plain(value) for key, value in nested.items()}
    return [_plain(part) for part in nested] if isinstance(nested, list) else nested
