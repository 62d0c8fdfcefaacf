"""Tensors of every kind: what is one tensor, what is a whole one, and how values get into one.

Torch gives wrappers such as FSDP2's ``DTensor`` no address of their own, so that no address tells
whether two of them are one.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass


__all__ = [
    "adds_infinity",
    "all_finite",
    "assign",
    "copied",
    "describe",
    "not_finite",
    "plain_tensors",
    "require_tied",
    "same_kind",
    "shared_as",
    "spread_like",
    "State",
    "takes",
    "untied",
]

State = dict[str, Tensor]


def plain_tensors(state: Mapping[str, Tensor]) -> State:
    """Return the tensors without gradients; a distributed one is gathered on the CPU.

    Gathering is a collective operation: all ranks take part. One tensor under several names stays
    one.

    Raises:
        ValueError: A tensor is a wrapper of another kind, of which nothing tells its values.
    """
    known: dict[int, Tensor] = {}
    for name, tensor in state.items():
        if id(tensor) not in known:
            known[id(tensor)] = _plain(name, tensor)
    return {name: known[id(tensor)] for name, tensor in state.items()}


def _plain(name: str, tensor: Tensor) -> Tensor:
    if is_lazy(tensor):
        return tensor
    if _is_distributed(tensor):
        return tensor.full_tensor().detach().cpu()  # type: ignore[attr-defined,no-any-return]
    if is_traceable_wrapper_subclass(tensor):
        raise ValueError(
            f"{name!r} is a {type(tensor).__name__}, of which a file holds nothing: pass a state "
            "dict of plain tensors, such as full_tensor() or dequantize() return."
        )
    return tensor.detach()


def _is_distributed(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor") and hasattr(tensor, "device_mesh")


def same_kind(a: torch.dtype, b: torch.dtype) -> bool:
    """Tell whether two dtypes hold one kind of value: float, complex, whole numbers or truth."""
    return len({(d.is_floating_point, d.is_complex, d == torch.bool) for d in (a, b)}) == 1


def describe(tensor: Tensor) -> str:
    """Return shape and dtype as text."""
    shape = "lazy" if is_lazy(tensor) else str(tuple(tensor.shape))
    return f"{shape} {str(tensor.dtype).removeprefix('torch.')}"


def all_finite(tensor: Tensor) -> bool:
    """Tell whether a tensor of any shape and layout holds neither NaN nor infinity."""
    return bool(torch.isfinite(_values(tensor)).all())


def adds_infinity(values: Tensor, own: Tensor, place: Any = ...) -> bool:
    """Tell whether values become NaN or infinite in a tensor that is not, there, the same.

    Args:
        values: What is to be copied, also of a wider dtype.  # (...)
        own: The fresh tensor that they go into; a mask may be infinite.  # (...)
        place: Index of the values in it; all of it by default.
    """
    new = _values(values.to(own.dtype))
    bad = ~torch.isfinite(new)
    if own.dtype.is_floating_point and own.dtype.itemsize == 1:  # Torch cuts what is beyond.
        bad |= _values(values).abs() > torch.finfo(own.dtype).max
    if not bad.any():
        return False
    if is_lazy(own):
        return True
    whole = own.full_tensor() if _is_distributed(own) else own  # type: ignore[attr-defined]
    old = _values(whole if place is ... else whole[place])
    if old.shape != new.shape:
        return True
    old, new = old.to(new.device)[bad], new[bad]
    return not bool(((new == old) | (new.isnan() & old.isnan())).all())


def not_finite(state: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> list[str]:
    """Return which tensors of a state are not finite where those of a fresh model are.

    What has another name or shape there is no concern of that model's.
    """
    known = {name: tensor for name, tensor in fresh.items() if not is_lazy(tensor)}
    shared = [n for n, tensor in state.items() if n in known and tensor.shape == known[n].shape]
    return [name for name in shared if adds_infinity(state[name], known[name])]


def _values(tensor: Tensor) -> Tensor:
    """Return the numbers that a tensor stores, of a dtype that torch can ask."""
    tensor = tensor.detach()
    if tensor.layout == torch.sparse_coo:
        tensor = tensor.coalesce()
    if tensor.layout != torch.strided:
        tensor = tensor.values()
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor  # Torch asks no float8.


def takes(own: Tensor, values: Tensor) -> bool:
    """Tell whether :func:`assign` can put values of the same shape into a tensor."""
    if own.layout != torch.strided:
        return own.layout == values.layout
    once = _once(own)
    return once is ... or torch.equal(values[once].expand_as(values), values)


@torch.no_grad()
def assign(own: Tensor, values: Tensor, place: Any = ...) -> None:
    """Put values into a tensor in place: also a distributed, an expanded or a sparse one.

    Args:
        own: The tensor.  # (...)
        values: Of any dtype, on any device.  # (...)
        place: Index of the values in it; all of it by default.
    """
    if _is_distributed(own):
        _assign_distributed(own, values, place)
    elif own.layout != torch.strided:
        own.copy_(values)
    elif place is not ...:
        own[place] = values.to(own)
    else:
        once = _once(own)
        own[once].copy_(values[once].to_dense())


def _assign_distributed(own: Any, values: Tensor, place: Any) -> None:
    whole = own.full_tensor()
    whole[place] = values.to(whole)
    own.copy_(spread_like(whole, own))


def spread_like(whole: Tensor, own: Any) -> Tensor:
    """Return a tensor spread over the ranks as another one is; itself where that is not."""
    if not _is_distributed(own) or _is_distributed(whole):
        return whole
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole, own.device_mesh, own.placements)


def _once(own: Tensor) -> Any:
    """Return an index of each number that an expanded tensor stores, once."""
    if not any(size > 1 and stride == 0 for size, stride in _dimensions(own)):
        return ...
    return tuple(slice(1 if stride == 0 else None) for _, stride in _dimensions(own))


def _dimensions(tensor: Tensor) -> Iterable[tuple[int, int]]:
    return zip(tensor.shape, tensor.stride(), strict=True)


def shared_as(state: Mapping[str, Tensor]) -> list[list[str]]:
    """Return the names of each tensor of a model's state, which has its own tensors."""
    names: dict[int, list[str]] = {}
    for name, tensor in state.items():
        names.setdefault(id(tensor), []).append(name)
    return [*names.values()]


def require_tied(names: list[str], source: Mapping[str, Tensor]) -> None:
    """Require that what is one tensor in a model has the same values in a source.

    Raises:
        ValueError: They differ.
    """
    first = source[names[0]]
    for name in names[1:]:
        if source[name] is not first and not torch.equal(source[name], first):
            raise ValueError(
                f"{names[0]!r} and {name!r} are one tensor in the model and two that differ in "
                f"the checkpoint. Rename one of them away, or exclude both."
            )


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
    if is_traceable_wrapper_subclass(tensor):
        return id(tensor)
    if tensor.layout != torch.strided or tensor.is_meta or not tensor.numel():
        return name
    pointer = tensor.data_ptr()
    where = tensor.device, pointer, tensor.dtype, tensor.shape, tensor.stride()
    return where if pointer else id(tensor)
