"""State dicts: weights by plain name, whatever holds them, and names tied to one tensor."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any
from typing import Protocol
from typing import runtime_checkable

from torch import nn
from torch import Tensor

from optuna_meta.weights.tensors import describe
from optuna_meta.weights.tensors import plain_tensors
from optuna_meta.weights.tensors import State


__all__ = [
    "differences",
    "HasState",
    "is_extra_state",
    "matches",
    "matching",
    "opened",
    "parted",
    "plain_name",
    "require_matching",
    "set_extra_state",
    "Source",
    "state_of",
]

# DataParallel's, also DistributedDataParallel's and AveragedModel's; a model may have its own.
_OUTER_WRAPPER = "module"
# What torch.compile, activation checkpointing and FSDP put before a module, wherever it is.
_WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
_COUNT = "n_averaged"  # AveragedModel's
_EXTRA_STATE = "_extra_state"  # what torch calls the result of a module's get_extra_state()


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

    Modules' extra state is left out, for it is no weight.

    Args:
        source: A state dict, a record that has one, or what loads one.

    Raises:
        ValueError: If the source holds something else than tensors, or tensors without memory, or
            two of its names differ in their wrappers only.
    """
    holder = opened(source)
    return parted(holder if isinstance(holder, Mapping) else holder.state)[0]


def parted(state: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Return a state dict's weights by plain name, and what else it has.

    Returns:
        The weights, gathered where they are distributed; and, by plain name, the extra state of
        modules, of any type, and the count of updates of an ``AveragedModel``.

    Raises:
        ValueError: As :func:`state_of`.
    """
    weights: dict[str, Tensor] = {}
    extra: dict[str, Any] = {}
    for name, value in state.items():
        plain = plain_name(name)
        if plain in weights or plain in extra:
            raise ValueError(
                f"Two of the weights are named {plain!r} once wrappers are left out. Rename one."
            )
        if is_extra_state(plain) or (plain == _COUNT and _is_averaged(name, state)):
            extra[plain] = value
        else:
            weights[plain] = _checked(name, value)
    return plain_tensors(weights), extra


def is_extra_state(name: str) -> bool:
    """Tell whether a name is that of what a module's ``get_extra_state`` returned."""
    return name.rpartition(".")[2] == _EXTRA_STATE


def _is_averaged(name: str, state: Mapping[str, Any]) -> bool:
    wrapped = name.removesuffix(_COUNT) + f"{_OUTER_WRAPPER}."
    return any(other.startswith(wrapped) for other in state)


def _checked(name: str, tensor: Any) -> Tensor:
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
    return tensor


def plain_name(name: str) -> str:
    """Return the name without what ``torch.compile`` and other wrappers put before or in it.

    ``module`` counts as a wrapper at the start only, for elsewhere it may be a model's own.
    """
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    while len(parts) > 1 and parts[0] == _OUTER_WRAPPER:
        parts = parts[1:]
    return ".".join(parts)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether the plain name is, or lies below, a pattern (``*``, ``?`` as in file names).

    Raises:
        ValueError: If the patterns are one string.
    """
    if isinstance(patterns, str):
        raise ValueError(f"Patterns must be several, got {patterns!r}: pass [{patterns!r}].")
    plain = plain_name(name)
    return any(fnmatchcase(plain, p) or fnmatchcase(plain, f"{p}.*") for p in patterns)


def require_matching(names: Iterable[str], patterns: Iterable[str], what: str = "name") -> None:
    """Require that each pattern matches something, for a mistyped one would do nothing.

    Raises:
        ValueError: One does not.
    """
    known = list(names)
    if isinstance(patterns, str):
        matches("", patterns)
    if idle := [p for p in patterns if not any(matches(name, [p]) for name in known)]:
        shown = ", ".join(map(plain_name, known[:8]))
        raise ValueError(f"No {what} matches {idle}. The model has {shown}.")


def matching(model: nn.Module, patterns: Iterable[str], *, trainable: bool = False) -> list[str]:
    """Return the names of a model's parameters that match, wrappers left aside.

    Args:
        model: The model.
        patterns: As :func:`matches` takes them.
        trainable: Whether to leave out those that are frozen.

    Raises:
        ValueError: If a pattern matches none, or there is no pattern.
    """
    names = [n for n, p in model.named_parameters() if p.requires_grad or not trainable]
    kind = "trainable parameter" if trainable else "parameter"
    require_matching(names, patterns, kind)
    if found := [name for name in names if matches(name, patterns)]:
        return found
    raise ValueError(f"No {kind} matches {[*patterns]}: name some.")


def differences(a: State, b: Mapping[str, Tensor]) -> Iterator[tuple[str, str, str]]:
    """Yield each name whose shape or dtype two states do not share, and what each has there."""
    for name in {**a, **b}:
        in_a, in_b = (describe(state[name]) if name in state else "absent" for state in (a, b))
        if in_a != in_b:
            yield name, in_a, in_b


def set_extra_state(
    model: nn.Module, extra_state: Mapping[str, Any], left_out: Iterable[str] = ()
) -> None:
    """Give a model's modules the extra state of their names, all or none of them.

    Args:
        model: The model.
        extra_state: By plain name, as :func:`parted` returns it.
        left_out: Patterns of names to leave alone.

    Raises:
        ValueError: A module refuses its own.
    """
    before: list[tuple[nn.Module, Any]] = []
    for name, module in model.named_modules():
        plain = plain_name(f"{name}.{_EXTRA_STATE}".lstrip("."))
        if plain not in extra_state or matches(plain, left_out):
            continue
        if type(module).set_extra_state is nn.Module.set_extra_state:
            continue
        try:
            before.append((module, deepcopy(module.get_extra_state())))
            module.set_extra_state(deepcopy(extra_state[plain]))
        except Exception as error:
            for changed, state in reversed(before):
                changed.set_extra_state(state)
            raise ValueError(
                f"{name or 'The model'!r} refuses its extra state: {error}"
            ) from error
