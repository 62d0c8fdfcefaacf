"""A checkpoint's names -> a model's."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping

from optuna_meta.weights.tensors import State


__all__ = ["Rename", "renamed"]

Rename = Mapping[str, str] | Callable[[str], str]


def renamed(state: State, rename: Rename) -> State:
    """Return a state under a model's names.

    Args:
        state: The checkpoint's.
        rename: A function, or the model's name for names or dotted beginnings of names.

    Raises:
        ValueError: Nothing has one of the names, or two become one.
    """
    if isinstance(rename, Mapping):
        unused = [old for old in rename if not any(_begins(name, old) for name in state)]
        if unused:
            raise ValueError(
                f"rename names {unused}, which nothing in the checkpoint is or starts with. It "
                f"has {', '.join([*state][:8])}."
            )
    new_state: State = {}
    for name, tensor in state.items():
        new = _beginning(name, rename) if isinstance(rename, Mapping) else rename(name)
        if new in new_state:
            raise ValueError(f"Two of the checkpoint's names become {new!r}. Mend rename.")
        new_state[new] = tensor
    return new_state


def _begins(name: str, old: str) -> bool:
    return f"{name}.".startswith(f"{old.strip('.')}.") or not old.strip(".")


def _beginning(name: str, rename: Mapping[str, str]) -> str:
    fitting = [old for old in rename if _begins(name, old)]
    if not fitting:
        return name
    old = max(fitting, key=len)
    parts = rename[old].strip("."), name[len(old.strip(".")) :].strip(".")
    return ".".join(part for part in parts if part)
