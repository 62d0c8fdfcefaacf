"""Weights by name: what every step takes as its source, and the names all of them use."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import cast
from typing import Protocol

import torch
from torch import nn
from torch import Tensor


__all__ = [
    "HasState",
    "Loads",
    "matches",
    "opened",
    "plain_name",
    "same_kind",
    "Source",
    "state_of",
]

# torch.compile's and DataParallel's (also DistributedDataParallel's and AveragedModel's).
_WRAPPERS = ("_orig_mod", "module")


class HasState(Protocol):
    """What holds weights, such as a checkpoint."""

    @property
    def state(self) -> Mapping[str, Tensor]: ...


class Loads(Protocol):
    """What reads weights when asked, such as a candidate."""

    def load(self) -> HasState: ...


Source = Mapping[str, Tensor] | HasState | Loads


def opened(source: Source) -> Mapping[str, Tensor] | HasState:
    """Returns what holds the source's weights: itself, or what it loads.

    Raises:
        ValueError: If it neither has weights by name nor loads them.
    """
    if not isinstance(source, nn.Module):
        if isinstance(source, Mapping):
            return source
        if hasattr(source, "state"):
            return cast(HasState, source)
        if hasattr(source, "load"):
            return source.load()
    kind = type(source).__name__
    advice = "load its checkpoint from the store"
    if isinstance(source, nn.Module):
        advice = "pass Checkpoint.from_model(model), or its state_dict()"
    raise ValueError(
        f"Weights must be a checkpoint, a candidate or a state dict, got a {kind}: {advice}."
    )


def state_of(source: Source) -> dict[str, Tensor]:
    """Returns the source's tensors by plain name; they are not copied.

    Args:
        source: A state dict, a record that has one, or what loads one.

    Raises:
        ValueError: If the source holds something else than tensors, or tensors without memory, or
            two of its names differ in their wrappers only.
    """
    held = opened(source)
    state = held if isinstance(held, Mapping) else held.state
    found: dict[str, Tensor] = {}
    # AveragedModel alone has this count, and at its top level.
    averaged = "n_averaged" in state and any(name.startswith("module.") for name in state)
    for name, tensor in state.items():
        if averaged and name == "n_averaged":
            continue
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"Weights must be tensors, got {type(tensor).__name__} under {name!r}. Pass the "
                "state dict of the model alone."
            )
        if tensor.is_meta:
            raise ValueError(
                f"Weights must have memory, got {name!r} on the meta device: load them, or move "
                "the model by to_empty() and initialise it first."
            )
        plain = plain_name(name)
        if plain in found:
            raise ValueError(
                f"Two of the weights are named {plain!r} once wrappers are left out. Rename one."
            )
        found[plain] = tensor
    return found


def plain_name(name: str) -> str:
    """Returns the name without what ``torch.compile`` and parallel wrappers put before or in it.

    ``module`` counts as a wrapper at the start only, for elsewhere it may be a model's own.
    """
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return ".".join(part for part in parts if part != "_orig_mod")


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether the name is, or lies below, one of the patterns (``*``, ``?`` as in file names)."""
    return any(fnmatchcase(name, p) or fnmatchcase(name, f"{p}.*") for p in _several(patterns))


def same_kind(a: torch.dtype, b: torch.dtype) -> bool:
    """Whether values of one dtype mean the same in the other: float, complex or whole numbers."""
    return (a.is_floating_point, a.is_complex, a == torch.bool) == (
        b.is_floating_point,
        b.is_complex,
        b == torch.bool,
    )


def _several(patterns: Iterable[str]) -> Iterable[str]:
    if isinstance(patterns, str):
        raise ValueError(
            f"Patterns must be several, got the string {patterns!r}. Pass [{patterns!r}]."
        )
    return patterns
