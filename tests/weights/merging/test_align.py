from __future__ import annotations

import pytest
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from optuna_meta.weights.merging.align import align
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.merging.average import cosine_similarity
from optuna_meta.weights.merging.hidden_units import hidden_layers
from tests.weights.merging.toys import Functional
from tests.weights.merging.toys import mlp


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


def test_aligning_is_deterministic_and_keeps_what_is_in_order() -> None:
    torch.manual_seed(2)
    a, b = mlp().state_dict(), mlp().state_dict()
    first, second = align(mlp(), a, b, seed=3), align(mlp(), a, b, seed=3)
    assert all(torch.equal(first[name], second[name]) for name in a)
    same = align(mlp(), a, a)
    assert all(torch.equal(same[name], a[name]) for name in a)
