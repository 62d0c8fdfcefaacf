"""A training state, such as an optimizer's -> tensors by name and a JSON tree, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor


__all__ = ["flatten", "unflatten"]


def flatten(state: Any, path: str = "state") -> tuple[Any, dict[str, Tensor]]:
    """Return what JSON holds of nested lists, tuples and dictionaries, and the tensors in it.

    Args:
        state: Numbers, text, ``None`` and tensors of any shape, nested in any way.
        path: What to call it in errors; names of the tensors start with it.

    Raises:
        ValueError: Something else is in it.
    """
    tensors: dict[str, Tensor] = {}
    return _tree(state, path, tensors), tensors


def unflatten(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what :func:`flatten` was given.

    Args:
        tree: The JSON tree.
        tensors: By name, of any shape.

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


def _tree(state: Any, path: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return the tree, and add to the tensors."""
    if isinstance(state, Tensor):
        if path in tensors:
            raise ValueError(f"Two tensors of this state would be named {path!r}.")
        tensors[path] = state
        return {"tensor": path}
    if isinstance(state, np.generic):
        return _tree(state.item(), path, tensors)
    if isinstance(state, bool | int | float | str | None):
        return {"plain": state}
    if isinstance(state, list | tuple):
        kind = "list" if isinstance(state, list) else "tuple"
        return {kind: [_tree(part, f"{path}.{i}", tensors) for i, part in enumerate(state)]}
    if isinstance(state, Mapping) and all(isinstance(key, str | int) for key in state):
        items = [[key, _tree(part, f"{path}.{key}", tensors)] for key, part in state.items()]
        return {"items": items}
    raise ValueError(
        f"{path} is of type {type(state).__name__}, which is never written, for only a pickle "
        "could hold it: leave it out and set it up anew."
    )
