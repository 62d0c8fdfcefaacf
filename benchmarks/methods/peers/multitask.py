"""BoTorch's ``MultiTaskGP`` with log expected improvement over a pool of candidates.

One GP over all tasks, whose task covariance is learned with it; a target without trials takes the
mean of the prior tasks' place in it, as the package provides. Values are normal scores of ranks in
each task, choices one-hot. It is refitted at each trial, starting from the last one's
hyperparameters, so prior studies are capped: see ``planned.MAX_SOURCES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import torch

from benchmarks.methods.peers.planned import capped
from benchmarks.methods.peers.planned import History
from benchmarks.methods.peers.planned import MAX_FIT_STEPS
from benchmarks.methods.peers.planned import normal_scores
from benchmarks.methods.peers.planned import PlannedSampler
from benchmarks.methods.peers.planned import quiet_and_seeded
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import require
from benchmarks.methods.peers.planned import Target
from benchmarks.methods.peers.space import Encoder
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Params


_TARGET = 0  # the target's number among the tasks


def build(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return the sampler.

    Raises:
        Unsupported: BoTorch is not installed, or there is no usable prior study.
    """
    require("botorch")
    priors = read_priors(studies, "MultiTaskGP")
    return PlannedSampler(_Planner(capped(priors)), priors, seed)


class _Planner:
    def __init__(self, priors: Sequence[History]) -> None:
        self._priors = priors
        self._state: dict[str, Any] | None = None
        self._width = 0

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        pool = target.candidates(self._priors, rng)
        encoder = Encoder(target.space.distributions)
        rows, *tasks = (
            encoder.one_hot(encoder.rows(configurations))
            for configurations in (
                pool,
                target.history.configurations,
                *(prior.configurations for prior in self._priors),
            )
        )
        losses = [target.history.losses, *(prior.losses for prior in self._priors)]
        with quiet_and_seeded(int(rng.integers(2**31))):
            model = self._fitted(tasks, [normal_scores(values) for values in losses])
            return pool[_best(model, torch.tensor(rows), tasks[_TARGET])]

    def _fitted(self, tasks: Sequence[Array], scores: Sequence[Array]) -> Any:
        X = [np.column_stack([rows, np.full(len(rows), i)]) for i, rows in enumerate(tasks)]
        model = require("botorch.models").MultiTaskGP(
            torch.tensor(np.concatenate(X)),
            torch.tensor(np.concatenate(scores)[:, None]),
            task_feature=-1,
            output_tasks=[_TARGET],
            all_tasks=list(range(len(tasks))),
            outcome_transform=None,
        )
        width = X[_TARGET].shape[1]
        if self._state is not None and self._width == width:
            model.load_state_dict(self._state)
        likelihood = require("gpytorch.mlls").ExactMarginalLogLikelihood(model.likelihood, model)
        options = {"options": {"maxiter": MAX_FIT_STEPS}}
        require("botorch.fit").fit_gpytorch_mll(likelihood, optimizer_kwargs=options)
        self._state, self._width = model.state_dict(), width
        return model


def _best(model: Any, pool: torch.Tensor, seen: Array) -> int:
    """Return the index of the candidate of which the target is expected to improve most."""
    acquisition = require("botorch.acquisition").LogExpectedImprovement
    with torch.no_grad():
        reached = model.posterior(torch.tensor(seen) if len(seen) else pool).mean.min()
        values = acquisition(model, best_f=reached, maximize=False)(pool[:, None, :])
    return int(values.argmax())
