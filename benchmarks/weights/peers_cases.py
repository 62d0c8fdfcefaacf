"""The model and the mismatches that :mod:`benchmarks.weights.peers` puts through every loader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor


__all__ = ["Case", "CASES", "Net", "source_state"]

State = dict[str, Tensor]

_NAMES = (
    "embed.weight", "hidden.weight", "hidden.bias", "norm.weight", "norm.bias", "out.weight",
    "head.weight", "head.bias",
)  # fmt: skip


class Net(nn.Module):
    """Embedding, hidden layer, normalisation, head, and an output tied to the embedding."""

    def __init__(self, classes: int = 3, seed: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(12, 8)
            self.hidden = nn.Linear(8, 8)
            self.norm = nn.LayerNorm(8)
            self.out = nn.Linear(8, 12, bias=False)
            self.out.weight = self.embed.weight
            self.head = nn.Linear(8, classes)


class Case(NamedTuple):
    """What is wrong with a file.

    Args:
        name: As the table has it.
        change: Makes the file's tensors of a model's.
        concerned: What a report of it names, one of these at least; empty where there is nothing
            to report.
        fits: The model's names that can be loaded; ``None`` where nothing should be.
        damage: Done to the file's bytes.
        dropped_prefix: What loading takes off the file's names.
    """

    name: str
    change: Callable[[State], State]
    concerned: tuple[str, ...] = ()
    fits: tuple[str, ...] | None = _NAMES
    damage: Callable[[Path], None] | None = None
    dropped_prefix: str = ""


def source_state() -> State:
    """A trained model's tensors, under both names where tied."""
    model = Net(seed=2)
    with torch.no_grad():
        model.norm.weight.add_(0.5)
        model.norm.bias.add_(0.25)
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _same(state: State) -> State:
    return state


def _prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


def _other_head(state: State) -> State:
    other = Net(classes=5, seed=2).state_dict()
    return state | {n: other[n].clone() for n in ("head.weight", "head.bias")}


def _without(name: str) -> Callable[[State], State]:
    return lambda state: {n: tensor for n, tensor in state.items() if n != name}


def _infinite(state: State) -> State:
    return state | {"hidden.weight": torch.full_like(state["hidden.weight"], float("nan"))}


def _other_model(state: State) -> State:
    return {f"blocks.{i}.weight": torch.randn(6, 6) for i in range(4)}


def _flip(path: Path) -> None:
    """One bit of the largest tensor's numbers."""
    content = bytearray(path.read_bytes())
    numbers = source_state()["embed.weight"].numpy().tobytes()
    place = content.find(numbers)
    assert place >= 0
    content[place + len(numbers) // 2] ^= 64
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _fitting(*without: str) -> tuple[str, ...]:
    return tuple(name for name in _NAMES if name not in without)


CASES = (
    Case("nothing wrong", _same),
    Case("renamed prefix `encoder.`", _prefixed("encoder."), ("encoder.", "embed.weight"), None),
    Case("head of another shape", _other_head, ("head.",), _fitting("head.weight", "head.bias")),
    Case("other dtype (half)", lambda s: {n: t.half() for n, t in s.items()}),
    Case("missing key", _without("hidden.bias"), ("hidden.bias",), _fitting("hidden.bias")),
    Case("unexpected key", lambda s: s | {"extra.weight": torch.ones(2)}, ("extra.weight",)),
    Case("tied weights under one name", _without("out.weight")),
    Case("prefix `module.`", _prefixed("module."), dropped_prefix="module."),
    Case("prefix `_orig_mod.`", _prefixed("_orig_mod."), dropped_prefix="_orig_mod."),
    Case("wrong architecture", _other_model, ("blocks.", "embed.weight"), None),
    Case("weights that are NaN", _infinite, ("hidden.weight",), None),
    Case("bit flip", _same, (), None, _flip),
    Case("truncated file", _same, (), None, _truncate),
)
