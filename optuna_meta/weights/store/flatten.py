"""A training state, such as an optimizer's -> tensors by name and a JSON tree, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor


__all__ = ["flatten", "unflatten"]

_PLAIN = (bool, int, float, str, type(None))


def flatten(nested: Any, path: str = "state") -> tuple[Any, dict[str, Tensor]]:
    """Returns what JSON holds of nested lists, tuples and dictionaries, and the tensors in it.

    Args:
        nested: Numbers, text, ``None`` and tensors, nested in any way.
        path: What to call it in errors; names of the tensors start with it.

    Raises:
        ValueError: Something else is in it.
    """
    if isinstance(nested, Tensor):
        return {"tensor": path}, {path: nested}
    if isinstance(nested, np.generic):
        return flatten(nested.item(), path)
    if isinstance(nested, _PLAIN):
        return {"plain": nested}, {}
    if isinstance(nested, list | tuple):
        kind = "list" if isinstance(nested, list) else "tuple"
        parts = [flatten(part, f"{path}.{i}") for i, part in enumerate(nested)]
        return {kind: [tree for tree, _ in parts]}, _joined(tensors for _, tensors in parts)
    if isinstance(nested, Mapping) and all(isinstance(key, str | int) for key in nested):
        parts = [flatten(part, f"{path}.{key}") for key, part in nested.items()]
        items = [[key, tree] for key, (tree, _) in zip(nested, parts, strict=True)]
        return {"items": items}, _joined(tensors for _, tensors in parts)
    raise ValueError(
        f"{path} is of type {type(nested).__name__}, which is never written, for only a pickle "
        "could hold it: leave it out and set it up anew."
    )


def unflatten(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Returns what :func:`flatten` was given.

    Raises:
        ValueError: The tree has none of the known kinds.
    """
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "plain":
        return content
    if kind == "items":
        return {key: unflatten(part, tensors) for key, part in content}
    if kind in ("list", "tuple"):
        parts = [unflatten(part, tensors) for part in content]
        return parts if kind == "list" else tuple(parts)
    raise ValueError(f"Wanted a tensor, list, tuple, items or plain value, got {kind!r}.")


def _joined(several: Any) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for tensors in several:
        if twice := found.keys() & tensors.keys():
            raise ValueError(f"Two tensors of this state would be named {min(twice)!r}.")
        found |= tensors
    return found
