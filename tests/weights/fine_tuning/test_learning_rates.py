from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from optuna_meta.weights.fine_tuning.freeze import freeze
from optuna_meta.weights.fine_tuning.learning_rates import parameter_groups
from optuna_meta.weights.state_dict import plain_name
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


class Block(nn.Module):
    """As large as a transformer's: several matrices and norms, some of them in a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.out = (nn.Linear(4, 4) for _ in range(3))
        self.norm = nn.LayerNorm(4)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))


class Transformer(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(9, 4), nn.Embedding(5, 4)
        self.first_norm = nn.LayerNorm(4)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Block() for _ in range(depth))
        self.last_norm = nn.LayerNorm(4)
        self.pooler = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(), Block())
        self.layer2 = nn.Sequential(Block(), Block())
        self.fc = nn.Linear(4, 2)


def rates(model: nn.Module, **options: Any) -> dict[str, float]:
    groups = parameter_groups(model, 1.0, **options)
    of = {id(p): group["lr"] for group in groups for p in group["params"]}
    return {plain_name(n): of[id(p)] for n, p in model.named_parameters() if id(p) in of}


def test_a_block_is_a_layer_and_the_first_still_learns() -> None:
    found = rates(Transformer(12))
    for i in range(12):
        of_block = [rate for name, rate in found.items() if f"layer.{i}." in name]
        assert of_block == pytest.approx([0.75 ** (12 - i)] * 12)
    assert found["head.weight"] == found["pooler.bias"] == 1.0
    assert found["last_norm.weight"] == found["encoder.layer.11.query.weight"]
    before = [found[n] for n in ("words.weight", "places.weight", "first_norm.bias")]
    assert before == pytest.approx([0.75**13] * 3)
    deep = rates(Transformer(40))
    assert min(deep.values()) == 0.02 == deep["encoder.layer.20.query.weight"]
    assert rates(Transformer(40), floor=0.0)["words.weight"] == pytest.approx(0.75**41)
    assert rates(Transformer(1))["words.weight"] == pytest.approx(0.75**2)


def test_stages_of_residual_blocks_count_block_by_block() -> None:
    found = rates(nn.Sequential(Residual(), nn.Linear(2, 2)), decay=0.5)
    names = "conv.weight", "norm.bias", "layer1.0.out.weight", "layer2.1.mlp.2.bias", "fc.weight"
    assert [found[f"0.{name}"] for name in names] == [0.5**5, 0.5**5, 0.5**4, 0.5, 1.0]


def test_what_is_frozen_does_not_shift_the_rates() -> None:
    model = Transformer(3)
    before = rates(model)
    freeze(model, ["head", "encoder.layer.1"])
    after = rates(model)
    assert after == {n: r for n, r in before.items() if n in after} and len(after) < len(before)


def test_patterns_of_layers_must_match() -> None:
    with pytest.raises(ValueError, match=r"No parameter matches \['haed'\]"):
        parameter_groups(network(), 0.1, layers=[["*"], ["haed"]])
    with pytest.raises(ValueError, match=r"floor in \[0, 1\], got 0.1, 0.75 and 2.0"):
        parameter_groups(network(), 0.1, floor=2.0)
