"""The checkpoint that a retried or re-enqueued trial goes on from, and going on from it."""

from __future__ import annotations

from typing import Any
from typing import Protocol

import optuna
import torch

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.checkpoint import Metadata
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.store.flatten import flatten
from optuna_meta.weights.store.flatten import unflatten
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.retention import given_up
from optuna_meta.weights.store.retention import inherited


__all__ = ["Stateful", "put_back", "resumable", "training_checkpoint"]


class Stateful(Protocol):
    """An optimizer, a learning rate scheduler, a gradient scaler, ..."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


def resumable(trial: optuna.Trial) -> list[CheckpointRecord]:
    """Records that a running trial may go on from, the last first."""
    trials, gone = trial.study.get_trials(deepcopy=False), given_up(trial.study)
    records = inherited(trials[trial.number], trials)
    return [record for record in reversed(records) if record.weights.artifact_id not in gone]


def training_checkpoint(parts: dict[str, Stateful], metadata: Metadata) -> Checkpoint:
    """The state of an optimizer and of others by name, as tensors and JSON.

    Raises:
        ValueError: A state holds something else than numbers, text and tensors.
    """
    states = {name: part.state_dict() for name, part in parts.items()}
    tree, tensors = flatten(states, "training")
    plain = Metadata(metadata.study, metadata.trial, step=metadata.step, extra={"training": tree})
    return Checkpoint(tensors, plain)


def put_back(
    model: torch.nn.Module,
    weights: Checkpoint,
    parts: dict[str, Stateful],
    training: Checkpoint | None,
) -> None:
    """Puts weights into a model, and the rest into the parts; the model changes last.

    Raises:
        ValueError: They do not fit; the model is as it was.
    """
    own = state_of(model.state_dict())
    _require_fit(own, weights)
    if training is not None:
        states = unflatten(training.metadata.extra["training"], training.state)
        if lacking := parts.keys() - states.keys():
            raise ValueError(
                f"The checkpoint has no state of the {' and '.join(sorted(lacking))}: pass it to "
                "save() as well, or leave it out of resume()."
            )
        for name, part in parts.items():
            part.load_state_dict(states[name])
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights.state[name])


def _require_fit(own: dict[str, torch.Tensor], weights: Checkpoint) -> None:
    problems = [f"{name} is not in the checkpoint" for name in own if name not in weights.state]
    problems += [f"{name} is not in the model" for name in weights.state if name not in own]
    for name in own.keys() & weights.state.keys():
        wanted, found = own[name], weights.state[name]
        if (wanted.shape, wanted.dtype) != (found.shape, found.dtype):
            problems.append(
                f"{name} is {tuple(wanted.shape)} {wanted.dtype} in the model, "
                f"{tuple(found.shape)} {found.dtype} in the checkpoint"
            )
    if problems:
        raise ValueError(
            "A trial can go on only with the model that it stopped with:\n  "
            + "\n  ".join(sorted(problems)[:20])
            + "\nBuild the same model, or take the weights as a start with initialize()."
        )
