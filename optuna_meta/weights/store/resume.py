"""The checkpoint that a retried or re-enqueued trial goes on from, and going on from it."""

from __future__ import annotations

from typing import Any
from typing import Protocol

import optuna
import torch

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.checkpoint import Metadata
from optuna_meta.weights.state_dict import differences
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.store.flatten import flatten
from optuna_meta.weights.store.flatten import unflatten
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.retention import inherited
from optuna_meta.weights.store.retention import pruned_artifacts


__all__ = ["Parts", "put_back", "resumable", "Stateful", "training_checkpoint"]


class Stateful(Protocol):
    """An optimizer, a learning rate scheduler, a gradient scaler, ..."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


Parts = dict[str, Stateful]


def resumable(trial: optuna.Trial) -> list[CheckpointRecord]:
    """Return the records that a running trial may go on from, the last first."""
    trials, pruned = trial.study.get_trials(deepcopy=False), pruned_artifacts(trial.study)
    records = inherited(trials[trial.number], trials)
    return [record for record in reversed(records) if record.weights.artifact_id not in pruned]


def training_checkpoint(parts: Parts, metadata: Metadata) -> Checkpoint:
    """Return the state of an optimizer and of others by name, as tensors and JSON.

    Raises:
        ValueError: A state holds something else than numbers, text and tensors.
    """
    states = {name: part.state_dict() for name, part in parts.items()}
    tree, tensors = flatten(states, "training")
    plain = Metadata(metadata.study, metadata.trial, step=metadata.step, extra={"training": tree})
    return Checkpoint(tensors, plain)


def put_back(
    model: torch.nn.Module, weights: Checkpoint, parts: Parts, training: Checkpoint | None
) -> None:
    """Put weights into a model, and the rest into the parts; the model changes last.

    Raises:
        ValueError: They do not fit; the model is as it was.
    """
    own = state_of(model.state_dict())
    if unlike := sorted(differences(own, weights.state)):
        lines = [f"{n} is {a} in the model, {b} in the checkpoint" for n, a, b in unlike]
        raise ValueError(
            "A trial can go on only with the model that it stopped with:\n  "
            + "\n  ".join(lines[:20])
            + "\nBuild the same model, or take the weights as a start with initialize()."
        )
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
