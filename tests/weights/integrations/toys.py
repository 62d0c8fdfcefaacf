"""A trial that stops and one that continues it, whichever library trains."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import torch
from torch import nn


Objective = Callable[[optuna.Trial, int | None], nn.Module]
PARAMS = {"rate": 1e-2}


class Stopped(Exception):
    """What ends a training in between."""


def continued(objective: Objective, stop_after: int) -> tuple[nn.Module, nn.Module, optuna.Study]:
    """Return a model trained in one go, one trained with a stop in between, and its study.

    Args:
        objective: Trains, and raises :class:`Stopped` after as many epochs as it is told.
        stop_after: Epochs.
    """
    models = []

    def run(trial: optuna.Trial, stop: int | None) -> float:
        trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        torch.manual_seed(trial.number)  # A new process has other random numbers.
        models.append(objective(trial, stop))
        return 0.0

    whole = optuna.create_study(study_name="whole")
    torch.manual_seed(0)
    whole.enqueue_trial(PARAMS)
    whole.optimize(lambda trial: run(trial, None), 1)
    study = optuna.create_study(study_name="stopped")
    study.enqueue_trial(PARAMS)
    study.optimize(lambda trial: run(trial, stop_after), 1, catch=Stopped)
    assert study.trials[0].state == optuna.trial.TrialState.FAIL
    study.enqueue_trial(study.trials[0].params)
    study.optimize(lambda trial: run(trial, None), 1)
    return models[0], models[1], study


def assert_equal(a: nn.Module, b: nn.Module) -> None:
    """Bit by bit."""
    theirs = b.state_dict()
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name
