from __future__ import annotations

import pytest
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

from optuna_meta.weights.merging.hidden_units import hidden_layers
from tests.weights.merging.toys import Functional
from tests.weights.merging.toys import mlp


class Looped(nn.Module):
    """Whose second layer is added to its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        return self.c(x + self.b(x))


class Wide(nn.Module):
    """Whose two layers are put side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cat([self.a(x), self.b(x)], 1))


class Skip(nn.Module):
    """Whose inputs, and outputs of all but one layer, are added up."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c(x + self.b(torch.relu(self.a(x))))


def test_units_that_meet_inputs_or_outputs_stay() -> None:
    (only,) = hidden_layers(Skip())
    assert only.size == 6
    assert [axis.name for axis in only.axes] == ["a.weight", "a.bias", "b.weight"]


def test_hidden_layers_are_found() -> None:
    sizes = [layer.size for layer in hidden_layers(Functional())]
    assert sizes == [4, 6]
    last = hidden_layers(Functional())[-1].axes[-1]
    assert last == ("out.weight", 1, 16)
    assert hidden_layers(nn.Sequential(nn.Linear(3, 3))) == ()
    assert [layer.size for layer in hidden_layers(mlp())] == [16, 12, 12]


def test_what_lies_before_the_first_layer_or_after_the_last_does_not_matter() -> None:
    model = nn.Sequential(
        nn.LayerNorm(4), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1)
    )
    assert [layer.size for layer in hidden_layers(model)] == [8]


class Tied(nn.Module):
    """Whose last layer is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.a = nn.Embedding(20, 8), nn.Linear(8, 8)
        self.b = nn.Linear(8, 20, bias=False)
        self.b.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(self.table(x))))


class SharedNorm(nn.Module):
    """That normalises its inputs and its hidden units alike."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.a, self.b = nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.norm(torch.relu(self.a(self.norm(x)))))


class PooledUnits(nn.Module):
    """That takes the greatest of neighbouring units."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.max_pool1d(self.a(x), 3, 1, 1))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Tied(), "the weight of 'b' is tied"),
        (SharedNorm(), "'norm' runs twice"),
        (PooledUnits(), "max_pool1d"),
        (nn.Sequential(nn.Conv1d(2, 8, 1), nn.Linear(8, 3)), "'1' reads another axis"),
        (nn.Sequential(nn.Linear(5, 8), nn.Conv1d(8, 3, 1)), "'1' reads another axis"),
        (
            nn.Sequential(weight_norm(nn.Linear(4, 8)), nn.Linear(8, 2)),
            "the weight of '0' is computed from others",
        ),
        (Looped(), "'b.weight' leads from units to those they are added to"),
        (Wide(), "takes several layers' outputs"),
        (nn.Sequential(nn.Conv2d(1, 4, 1), nn.LayerNorm(4), nn.Conv2d(4, 2, 1)), "LayerNorm"),
        (nn.Sequential(nn.Linear(4, 4), nn.MaxPool1d(2), nn.Linear(2, 2)), "MaxPool1d|2 inputs"),
        (nn.Sequential(nn.Linear(4, 4), nn.Flatten(), nn.Linear(12, 2)), "has 12 inputs"),
        (nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)), "Softmax"),
        (nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, groups=2)), "grouped convolution"),
        (nn.Sequential(*[nn.Linear(4, 4)] * 2), "runs twice"),
        (nn.TransformerEncoderLayer(8, 2), "cannot be"),
    ],
)
def test_other_models_are_refused_with_the_reason(model: nn.Module, reason: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be aligned.*{reason}|{reason} aligned"):
        hidden_layers(model)
