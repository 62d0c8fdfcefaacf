"""The checkpoint that a retried or re-enqueued trial goes on from, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any
from typing import Protocol
from typing import runtime_checkable
import warnings

import numpy as np
import optuna
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.flatten import flatten
from optuna_meta.weights.checkpoint.flatten import unflatten
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.checkpoint.trainable import is_trainable_only
from optuna_meta.weights.checkpoint.trainable import under_own_names
from optuna_meta.weights.state_dict import differences
from optuna_meta.weights.state_dict import is_extra_state
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import set_extra_state
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.retention import inherited
from optuna_meta.weights.store.retention import pruned_artifacts
from optuna_meta.weights.tensors import assign
from optuna_meta.weights.tensors import plain_tensors
from optuna_meta.weights.tensors import require_tied
from optuna_meta.weights.tensors import shared_as
from optuna_meta.weights.tensors import spread_like


__all__ = ["named_parts", "Parts", "put_back", "resumable", "Stateful", "training_checkpoint"]


@runtime_checkable
class Stateful(Protocol):
    """An optimizer, a learning rate scheduler, a gradient scaler, another model, ..."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


Parts = dict[str, Any]


def named_parts(
    optimizer: Stateful | None, scheduler: Stateful | None, state: MutableMapping[str, Any] | None
) -> Parts:
    """Return what a training consists of beside its model, by name.

    Raises:
        ValueError: ``state`` has one of the others' names.
    """
    parts = {"optimizer": optimizer, "scheduler": scheduler}
    parts = {name: part for name, part in parts.items() if part is not None}
    if twice := parts.keys() & (state or {}).keys():
        raise ValueError(f"{' and '.join(sorted(twice))} is passed twice: also in state.")
    return {**parts, **(state or {})}


def resumable(trial: optuna.Trial, artifacts: CheckpointArtifacts) -> list[CheckpointRecord]:
    """Return the records that a running trial may go on from, the last first."""
    trials = trial.study.get_trials(deepcopy=False)
    pruned = pruned_artifacts(trial.study, artifacts)
    records = inherited(trials[trial.number], trials, artifacts)
    return [record for record in reversed(records) if record.weights.artifact_id not in pruned]


def training_checkpoint(parts: Parts, metadata: Metadata) -> Checkpoint:
    """Return the states of an optimizer and of others by name, as tensors and JSON.

    Raises:
        ValueError: A state holds something else than numbers, text and tensors.
    """
    tree, tensors = flatten({name: _state_of(part) for name, part in parts.items()}, "training")
    kinds = {name: _kind(part) for name, part in parts.items()}
    notes = {"training": tree, "kinds": kinds}
    plain = Metadata(metadata.study, metadata.trial, step=metadata.step, extra=notes)
    return Checkpoint(plain_tensors(tensors), plain)


def put_back(
    model: torch.nn.Module,
    weights: Checkpoint,
    parts: Parts,
    training: Checkpoint | None,
    state: MutableMapping[str, Any] | None = None,
) -> None:
    """Put weights into a model, and the rest into the parts, each value as it was.

    Args:
        model: The model.
        weights: Its checkpoint.
        parts: Of which those with a state get theirs back.
        training: The checkpoint of their states; ``None`` where there are no parts.
        state: Where those go that are plain values.

    Raises:
        ValueError: They do not fit; the model is as it was.
    """
    own = {plain_name(n): value for n, value in model.state_dict(keep_vars=True).items()}
    if is_trainable_only(weights):  # What is frozen is as it was built.
        named, frozen = under_own_names(model, dict(weights.state))
        weights, own = replace(weights, state=named), {n: own[n] for n in own.keys() - {*frozen}}
    extra = {name: own.pop(name) for name in [*own] if _is_extra(name, own[name], weights)}
    _require_same_model(own, weights)
    states = {}
    if training is not None:
        states = unflatten(training.metadata.extra["training"], training.state)
        _require_same_parts(parts, training.metadata.extra["kinds"])
    for name, part in parts.items():
        try:
            _load(part, states[name])
        except (ValueError, RuntimeError, KeyError, TypeError, IndexError) as error:
            text = f"The {name} is another one than the checkpoint's: {error}"
            raise ValueError(text) from error
        if state is not None and _kind(part) == _PLAIN:
            state[name] = states[name]
    for name, tensor in own.items():
        assign(tensor, weights.state[name])
    _put_back_extra(model, extra, weights)


def _is_extra(name: str, value: Any, weights: Checkpoint) -> bool:
    return is_extra_state(name) or name in weights.extra_state or not isinstance(value, Tensor)


def _require_same_model(own: dict[str, Tensor], weights: Checkpoint) -> None:
    if lazy := [name for name, tensor in own.items() if is_lazy(tensor)]:
        raise ValueError(
            f"{', '.join(map(repr, lazy[:5]))} have no shape yet, for they belong to lazy "
            "modules: run the model once on data before it goes on."
        )
    if unlike := sorted(differences(own, weights.state)):
        lines = [f"{n} is {a} in the model, {b} in the checkpoint" for n, a, b in unlike]
        raise ValueError(
            "A trial can go on only with the model that it stopped with:\n  "
            + "\n  ".join(lines[:20])
            + "\nBuild the same model, or take the weights as a start with initialize()."
        )
    for names in shared_as(own):
        require_tied(names, weights.state)


def _require_same_parts(parts: Parts, kinds: Mapping[str, str]) -> None:
    if lacking := parts.keys() - kinds.keys():
        raise ValueError(
            f"The checkpoint has no state of the {' and '.join(sorted(lacking))}: pass it to "
            "save() as well, or leave it out of resume()."
        )
    for name, part in parts.items():
        if _kind(part) != kinds[name]:
            raise ValueError(
                f"The {name} must be the one that the trial stopped with, a {kinds[name]}, got a "
                f"{_kind(part)}."
            )


def _put_back_extra(model: torch.nn.Module, own: dict[str, Any], weights: Checkpoint) -> None:
    """Put back the extra state of modules, and the count of an AveragedModel."""
    set_extra_state(model, weights.extra_state)
    for name, value in own.items():
        if name not in weights.extra_state:
            text = f"{name!r} starts anew, for the checkpoint could not hold it."
            warnings.warn(text, stacklevel=4)
        elif not is_extra_state(name):
            assign(value, weights.extra_state[name])


_PLAIN = "plain value"


def _kind(part: Any) -> str:
    """Return the name of a part's type, which must be the same when it goes on."""
    if isinstance(part, Stateful | torch.Generator | np.random.Generator):
        kind = type(part)
        return f"{kind.__module__}.{kind.__qualname__}"
    return _PLAIN


def _state_of(part: Any) -> Any:
    if isinstance(part, Stateful):
        return part.state_dict()
    if isinstance(part, torch.Generator):
        return part.get_state()
    return part.bit_generator.state if isinstance(part, np.random.Generator) else part


def _load(part: Any, state: Any) -> None:
    if isinstance(part, torch.optim.Optimizer):
        part.load_state_dict(state)
        _distribute(part)
    elif isinstance(part, Stateful):
        part.load_state_dict(state)
    elif isinstance(part, torch.Generator):
        part.set_state(state)
    elif isinstance(part, np.random.Generator):
        part.bit_generator.state = state


def _distribute(optimizer: torch.optim.Optimizer) -> None:
    """Spread what was gathered over the ranks as the parameters are."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = spread_like(value, parameter)
