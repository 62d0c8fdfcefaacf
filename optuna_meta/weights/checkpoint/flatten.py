"""A training state, such as an optimizer's -> tensors by name and a JSON tree, and back."""

from __future__ import annotations

from base64 import b64decode
from base64 import b64encode
from collections import Counter
from collections import defaultdict
from collections import deque
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


__all__ = ["flatten", "unflatten"]

# What is written comes back as of the same type: a scheduler counts with its Counter.
_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "Size": torch.Size,
}
_MAPPINGS: dict[str, Callable[[dict[Any, Any]], Any]] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
}
_FACTORIES = {kind.__name__: kind for kind in (int, float, bool, str, list, dict, set, tuple)}


def flatten(state: Any, path: str = "state") -> tuple[Any, dict[str, Tensor]]:
    """Return what JSON holds of nested lists, tuples and dictionaries, and the tensors in it.

    Args:
        state: Numbers, text, bytes, ``None``, NumPy arrays and tensors of any shape, nested in
            lists, tuples, sets and dictionaries of any standard kind.
        path: What to call it in errors; names of the tensors start with it.

    Raises:
        ValueError: Something else is in it.
    """
    tensors: dict[str, Tensor] = {}
    return _tree(state, path, tensors), tensors


def unflatten(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what :func:`flatten` was given, each part of the type that it had.

    Args:
        tree: The JSON tree.
        tensors: By name, of any shape.

    Raises:
        ValueError: The tree is none that :func:`flatten` makes of these tensors.
    """
    try:
        return _whole(tree, tensors)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"This is no training state: {error!r}.") from error


def _tree(state: Any, path: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return the tree, and add to the tensors."""
    kind = type(state).__name__
    if isinstance(state, Tensor):
        while path in tensors:  # {"a": {"b": ...}, "a.b": ...}
            path += "'"
        tensors[path] = state.detach()
        return {"tensor": path}
    if isinstance(state, np.ndarray | np.generic) and _has_torch_dtype(state.dtype):
        return {"numpy": _tree(torch.from_numpy(np.array(state)), path, tensors)["tensor"]}
    if isinstance(state, bool | int | float | str | None):
        return {"plain": state}
    if isinstance(state, bytes | bytearray):
        return {kind: b64encode(state).decode()}
    if isinstance(state, torch.dtype | torch.device):
        return {kind: str(state).removeprefix("torch.")}
    if _SEQUENCES.get(kind) is type(state):
        parts = enumerate(sorted(state, key=repr) if kind in ("set", "frozenset") else state)
        rest = {"maxlen": state.maxlen} if isinstance(state, deque) else {}
        return {kind: [_tree(part, f"{path}.{i}", tensors) for i, part in parts], **rest}
    if _MAPPINGS.get(kind) is type(state) or type(state) is defaultdict:
        return _items(state, path, tensors)
    raise ValueError(
        f"{path} is of type {kind}, which is never written, for only a pickle could hold it: "
        "leave it out and set it up anew."
    )


def _has_torch_dtype(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biufc" and dtype.itemsize <= 8 and dtype.isnative


def _items(state: dict[Any, Any], path: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    items = []
    for key, part in state.items():
        name, in_key = flatten(key, f"{path}.{key}")
        if in_key:
            raise ValueError(f"{path} has a tensor among its keys: leave it out.")
        items.append([name.get("plain", name), _tree(part, f"{path}.{key}", tensors)])
    tree = {type(state).__name__: items}
    if isinstance(state, defaultdict):
        factory = getattr(state.default_factory, "__name__", None)
        if _FACTORIES.get(factory or "") is not state.default_factory:
            raise ValueError(
                f"{path} makes its defaults by {state.default_factory}: leave it out."
            )
        tree["factory"] = factory  # type: ignore[assignment]
    return tree


def _whole(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    kind, content = next(iter(tree.items()))
    if kind == "tensor":
        return tensors[content]
    if kind == "numpy":
        return tensors[content].numpy()[()]
    if kind == "plain":
        return content
    if kind in ("bytes", "bytearray"):
        return {"bytes": bytes, "bytearray": bytearray}[kind](b64decode(content))
    if kind in ("dtype", "device"):
        return torch.device(content) if kind == "device" else getattr(torch, content)
    if kind == "deque":
        return deque((_whole(part, tensors) for part in content), tree["maxlen"])
    if kind in _SEQUENCES:
        return _SEQUENCES[kind]([_whole(part, tensors) for part in content])
    keys = [_whole(key, tensors) if isinstance(key, dict) else key for key, _ in content]
    items = {key: _whole(part, tensors) for key, (_, part) in zip(keys, content, strict=True)}
    if kind == "defaultdict":
        return defaultdict(_FACTORIES.get(tree["factory"]), items)
    return _MAPPINGS[kind](items)
