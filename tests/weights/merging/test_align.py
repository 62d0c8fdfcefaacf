from __future__ import annotations

import pytest
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

from optuna_meta.weights.merging.align import align
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.merging.average import cosine_similarity
from optuna_meta.weights.merging.hidden_units import hidden_layers


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
        self.out = nn.Linear(6 * 4 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = torch.relu(self.conv2(x)).flatten(1)
        return F.log_softmax(self.out(x), dim=1)


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


class Residual(nn.Module):
    """Normalised blocks beside a stream, as in Transformers, and a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate = nn.Linear(5, 10), nn.Linear(5, 10)
        self.norms = nn.ModuleList(nn.LayerNorm(10) for _ in range(2))
        self.up = nn.ModuleList(nn.Linear(10, 14) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(14, 10) for _ in range(2))
        self.out = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        stream = self.stem(x) * torch.sigmoid(self.gate(x))
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            stream = stream + 0.5 * down(F.gelu(up(norm(stream))))
        return self.out(stream)


class Block(nn.Module):
    """A residual block of convolutions, with a shortcut where the width changes."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        y += self.shortcut(x)
        return F.relu(y)


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        Block(6, 6),
        nn.MaxPool2d(2),
        Block(6, 9),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(9, 3),
    )


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Sequential(nn.Linear(16, 12), nn.Tanh()),
        nn.Linear(12, 12, bias=False),
        nn.GELU(),
        nn.Linear(12, 2),
    )


MODELS = {"mlp": (mlp, (9, 5)), "conv": (Functional, (9, 1, 8, 8))}
RESIDUAL = {"stream": (Residual, (9, 5)), "resnet": (resnet, (9, 1, 8, 8))}


def trained_statistics(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """With batch normalisation's statistics of some data."""
    for _ in range(3):
        model(torch.randn(shape) + 0.3)
    return model.eval()


def shuffled(model: nn.Module) -> dict[str, Tensor]:
    """The same network with hidden units in another order, by plain indexing."""
    state = dict(model.state_dict())
    if isinstance(model, Functional):
        order = torch.randperm(4)
        for name in ("conv1.weight", "conv1.bias", "norm.weight", "norm.bias"):
            state[name] = state[name][order]
        for name in ("norm.running_mean", "norm.running_var"):
            state[name] = state[name][order]
        state["conv2.weight"] = state["conv2.weight"][:, order]
        order = torch.randperm(6)
        state["conv2.weight"] = state["conv2.weight"][order]
        state["conv2.bias"] = state["conv2.bias"][order]
        state["out.weight"] = state["out.weight"].view(3, 6, 16)[:, order].reshape(3, 96)
        return state
    orders = [torch.randperm(size) for size in (16, 12, 12)]
    for name in ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"):
        state[name] = state[name][orders[0]]
    state["3.0.weight"] = state["3.0.weight"][orders[1]][:, orders[0]]
    state["3.0.bias"] = state["3.0.bias"][orders[1]]
    state["4.weight"] = state["4.weight"][orders[2]][:, orders[1]]
    state["6.weight"] = state["6.weight"][:, orders[2]]
    return state


@pytest.mark.parametrize("kind", MODELS)
def test_permuted_copies_average_to_the_original_function(kind: str) -> None:
    make, shape = MODELS[kind]
    torch.manual_seed(0)
    model = trained_statistics(make(), shape)
    x = torch.randn(shape)
    expected = model(x)
    copies = [model.state_dict(), *(shuffled(model) for _ in range(3))]
    assert cosine_similarity(copies[0], copies[1]) < 0.9
    mean = average(copies, align_by=model)
    other = make().eval()
    other.load_state_dict(dict(mean.state))
    torch.testing.assert_close(other(x), expected)
    for name, tensor in align(model, copies[1], copies[0]).items():
        assert torch.equal(tensor, copies[0][name]), name


@pytest.mark.parametrize("kind", MODELS)
def test_an_aligned_network_computes_what_it_did(kind: str) -> None:
    make, shape = MODELS[kind]
    torch.manual_seed(1)
    reference, model = make(), trained_statistics(make(), shape)
    x = torch.randn(shape)
    expected = model(x)
    aligned = align(reference, model.state_dict(), reference.state_dict())
    before = cosine_similarity(model.state_dict(), reference.state_dict())
    assert cosine_similarity(aligned, reference.state_dict()) > before + 0.05
    model.load_state_dict(aligned)
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("kind", RESIDUAL)
def test_residual_networks_compute_what_they_did_and_copies_come_back(kind: str) -> None:
    make, shape = RESIDUAL[kind]
    torch.manual_seed(3)
    model = trained_statistics(make(), shape)
    x = torch.randn(shape)
    expected = model(x)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    layers = hidden_layers(model)
    assert sorted(layer.size for layer in layers) == (
        [10, 14, 14] if kind == "stream" else [6, 6, 9, 9]
    )
    turned = dict(state)
    for layer in layers:
        order = torch.randperm(layer.size)
        for name, dim, block in layer.axes:
            assert block == 1
            turned[name] = turned[name].index_select(dim, order)
    assert cosine_similarity(turned, state) < 0.9
    model.load_state_dict(turned)
    torch.testing.assert_close(model(x), expected)
    back = align(model, turned, state)
    assert all(torch.equal(back[name], state[name]) for name in state)
    other = make().state_dict()
    aligned = align(model, state, other)
    assert cosine_similarity(aligned, other) > cosine_similarity(state, other) + 0.02
    model.load_state_dict(aligned)
    torch.testing.assert_close(model(x), expected)


def test_units_that_meet_inputs_or_outputs_stay() -> None:
    (only,) = hidden_layers(Skip())
    assert only.size == 6
    assert [axis.name for axis in only.axes] == ["a.weight", "a.bias", "b.weight"]


def test_aligning_is_deterministic_and_keeps_what_is_in_order() -> None:
    torch.manual_seed(2)
    a, b = mlp().state_dict(), mlp().state_dict()
    first, second = align(mlp(), a, b, seed=3), align(mlp(), a, b, seed=3)
    assert all(torch.equal(first[name], second[name]) for name in a)
    same = align(mlp(), a, a)
    assert all(torch.equal(same[name], a[name]) for name in a)


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
