"""State dicts: weights by plain name, whatever holds them, and names tied to one tensor."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from typing import Protocol
from typing import runtime_checkable

import torch
from torch import nn
from torch import Tensor


__all__ = [
    "all_finite",
    "copied",
    "describe",
    "differences",
    "matches",
    "matching",
    "opened",
    "plain_name",
    "same_kind",
    "Source",
    "State",
    "state_of",
    "untied",
]

# torch.compile's and DataParallel's (also DistributedDataParallel's and AveragedModel's).
_WRAPPERS = ("_orig_mod", "module")

State = dict[str, Tensor]


@runtime_checkable
class HasState(Protocol):
    """What holds weights, such as a checkpoint."""

    @property
    def state(self) -> Mapping[str, Tensor]: ...


class Loads(Protocol):
    """What reads weights when asked, such as a candidate."""

    def load(self) -> HasState: ...


Source = Mapping[str, Tensor] | HasState | Loads


def opened(source: Source) -> Mapping[str, Tensor] | HasState:
    """Return what holds the source's weights: itself, or what it loads.

    Raises:
        ValueError: If it neither has weights by name nor loads them.
    """
    advice = "load its checkpoint from the store"
    if isinstance(source, nn.Module):
        advice = "pass Checkpoint.from_model(model), or its state_dict()"
    elif isinstance(source, Mapping | HasState):
        return source
    elif hasattr(source, "load"):
        return source.load()
    kind = type(source).__name__
    raise ValueError(f"Wanted a checkpoint, candidate or state dict, got a {kind}: {advice}.")


def state_of(source: Source) -> State:
    """Return the source's tensors, of any shape, by plain name; they are not copied.

    Args:
        source: A state dict, a record that has one, or what loads one.

    Raises:
        ValueError: If the source holds something else than tensors, or tensors without memory, or
            two of its names differ in their wrappers only.
    """
    holder = opened(source)
    state = holder if isinstance(holder, Mapping) else holder.state
    plain: State = {}
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
        if plain_name(name) in plain:
            raise ValueError(
                f"Two of the weights are named {plain_name(name)!r} once wrappers are left out. "
                "Rename one."
            )
        plain[plain_name(name)] = tensor
    return plain


def plain_name(name: str) -> str:
    """Return the name without what ``torch.compile`` and parallel wrappers put before or in it.

    ``module`` counts as a wrapper at the start only, for elsewhere it may be a model's own.
    """
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return ".".join(part for part in parts if part != "_orig_mod")


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether the plain name is, or lies below, a pattern (``*``, ``?`` as in file names).

    Raises:
        ValueError: If the patterns are one string.
    """
    if isinstance(patterns, str):
        raise ValueError(f"Patterns must be several, got {patterns!r}: pass [{patterns!r}].")
    plain = plain_name(name)
    return any(fnmatchcase(plain, p) or fnmatchcase(plain, f"{p}.*") for p in patterns)


def matching(model: nn.Module, patterns: Iterable[str], *, trainable: bool = False) -> list[str]:
    """Return the names of a model's parameters that match, wrappers left aside.

    Args:
        model: The model.
        patterns: As :func:`matches` takes them.
        trainable: Whether to leave out those that are frozen.

    Raises:
        ValueError: If none matches.
    """
    names = [n for n, p in model.named_parameters() if p.requires_grad or not trainable]
    if found := [name for name in names if matches(name, patterns)]:
        return found
    kind = "trainable parameter" if trainable else "parameter"
    raise ValueError(f"No {kind} matches {[*patterns]}. The model has {', '.join(names[:8])}.")


def same_kind(a: torch.dtype, b: torch.dtype) -> bool:
    """Tell whether two dtypes hold one kind of value: float, complex, whole numbers or truth."""
    return len({(d.is_floating_point, d.is_complex, d == torch.bool) for d in (a, b)}) == 1


def describe(tensor: Tensor) -> str:
    """Return shape and dtype as text."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def differences(a: State, b: Mapping[str, Tensor]) -> Iterator[tuple[str, str, str]]:
    """Yield each name whose shape or dtype two states do not share, and what each has there."""
    for name in {**a, **b}:
        in_a, in_b = (describe(state[name]) if name in state else "absent" for state in (a, b))
        if in_a != in_b:
            yield name, in_a, in_b


def all_finite(tensor: Tensor) -> bool:
    """Tell whether a tensor of any shape holds neither NaN nor infinity."""
    wide = tensor.float() if tensor.dtype.itemsize == 1 else tensor  # Torch asks no float8.
    return bool(torch.isfinite(wide).all())


def copied(state: Mapping[str, Tensor]) -> State:
    """Copy a state to the CPU; tied tensors are copied once."""
    kept, aliases = untied(state)
    copies = {name: tensor.to("cpu", copy=True) for name, tensor in kept.items()}
    return {name: copies[aliases.get(name, name)] for name in state}


def untied(state: Mapping[str, Tensor]) -> tuple[State, dict[str, str]]:
    """Return the tensors under one name each, and that name for each further one."""
    first: dict[Any, str] = {}
    names = {name: first.setdefault(_place(name, tensor), name) for name, tensor in state.items()}
    aliases = {name: kept for name, kept in names.items() if name != kept}
    return {name: tensor for name, tensor in state.items() if name not in aliases}, aliases


def _place(name: str, tensor: Tensor) -> Any:
    """Return what is the same for two names only where they are one tensor."""
    if tensor.numel() == 0 or tensor.layout != torch.strided or tensor.device.type == "meta":
        return name
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
