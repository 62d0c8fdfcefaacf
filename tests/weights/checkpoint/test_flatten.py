from __future__ import annotations

from collections import Counter
from collections import defaultdict
from collections import deque
from collections import OrderedDict
import json
import math
import random
from typing import Any

import numpy as np
import pytest
import torch

from optuna_meta.weights.checkpoint.flatten import flatten
from optuna_meta.weights.checkpoint.flatten import unflatten


def test_what_is_flattened_comes_back() -> None:
    nested = {
        "state": {0: {"step": torch.tensor(3.0), "list": [torch.ones(2), None]}, 1: {}},
        "groups": [{"betas": (0.9, 0.999), "lr": 1e-3, "on": True, "name": "a"}, ()],
        "infinite": -math.inf,
    }
    tree, tensors = flatten(nested)
    assert set(tensors) == {"state.state.0.step", "state.state.0.list.0"}
    back = unflatten(json.loads(json.dumps(tree)), tensors)
    assert back.keys() == nested.keys()
    assert back["groups"] == nested["groups"]
    assert back["infinite"] == -math.inf
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
    with pytest.raises(ValueError, match="state.a makes .*defaults by .*lambda"):
        flatten({"a": defaultdict(lambda: 1)})
    with pytest.raises(ValueError, match="state.a has a tensor among its keys"):
        flatten({"a": {torch.ones(1): 3}})
    for tree in ({"pickle": "x"}, {"tensor": "absent"}, {"list": 3}, [], {"dict": [["a"]]}):
        with pytest.raises(ValueError, match="no training state|not enough values"):
            unflatten(tree, {})


def test_types_are_kept() -> None:
    """A milestone scheduler counts with its Counter; generators have tuples and arrays."""
    legacy = np.random.RandomState(3).get_state()  # noqa: NPY002
    nested = {
        "counter": Counter({3: 1}),
        "default": defaultdict(list, {"a": [1]}),
        "ordered": OrderedDict([("b", 1), ("a", 2)]),
        "deque": deque([1, 2], maxlen=5),
        "sets": [{1, 2}, frozenset({"x"})],
        "keys": {1: "int", "1": "str", (1, None): "tuple", None: "none"},
        "size": torch.Size([2, 3]),
        "torch": [torch.float16, torch.device("cuda:1")],
        "bytes": b"\x00\xff",
        "python": random.Random(3).getstate(),
        "half": np.float16(0.1),
        "big": 2**200,
    }
    tree, tensors = flatten({**nested, "numpy": legacy})
    back = unflatten(json.loads(json.dumps(tree)), tensors)
    kind, words, *rest = back.pop("numpy")
    assert (kind, *rest) == (legacy[0], *legacy[2:]) and words.dtype == np.uint32
    assert (words == legacy[1]).all()
    assert back == nested and list(back["ordered"]) == ["b", "a"]
    for name, part in nested.items():
        assert type(back[name]) is type(part), name
    assert back["counter"][99] == 0 and back["default"]["new"] == []
    assert back["deque"].maxlen == 5 and type(back["keys"]) is dict
    assert [type(part) for part in back["sets"]] == [set, frozenset]


def test_paths_that_meet_stay_two_tensors() -> None:
    nested = OrderedDict([("a", {"b": torch.ones(1)}), ("a.b", torch.zeros(1))])
    tree, tensors = flatten(nested)
    back = unflatten(tree, tensors)
    assert back["a"]["b"].item() == 1.0 and back["a.b"].item() == 0.0


SCHEDULERS = {
    "multi-step": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [1, 3]),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=9),
    "cyclic": lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2),
    "plateau": lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "restarts": lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "chained": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o,
        [
            torch.optim.lr_scheduler.ConstantLR(o, 0.5, 2),
            torch.optim.lr_scheduler.MultiStepLR(o, [1, 3]),
        ],
        milestones=[2],
    ),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 0.9**step),
}


# SequentialLR of early versions of torch calls its schedulers in the way that they deprecate.
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_schedulers_go_on_as_if_never_stopped(kind: str) -> None:
    def made() -> Any:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
        return SCHEDULERS[kind](optimizer), optimizer  # type: ignore[no-untyped-call]

    def rates(scheduler: Any, optimizer: Any) -> list[float]:
        found = []
        for _ in range(3):
            optimizer.step()
            scheduler.step(*([1.0] if kind == "plateau" else []))
            found.append(optimizer.param_groups[0]["lr"])
        return found

    scheduler, optimizer = made()
    rates(scheduler, optimizer)
    tree, tensors = flatten([scheduler.state_dict(), optimizer.state_dict()])
    states = unflatten(json.loads(json.dumps(tree)), tensors)
    again = made()
    for part, state in zip(again, states, strict=True):
        part.load_state_dict(state)
    assert rates(*again) == rates(scheduler, optimizer)


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
