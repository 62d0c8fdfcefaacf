"""BoTorch's ``MultiTaskGP`` with log expected improvement over a pool of candidates.

One GP over all tasks, whose task covariance is learned with it; a target without trials takes the
mean of the prior tasks' place in it, as the package provides. Values are normal scores of ranks in
each task, choices one-hot. It is refitted at each trial, starting from the last one's
hyperparameters, so prior studies are capped: see ``benchmarks.methods.peers.capped``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
import optuna
import torch

from benchmarks.methods.peers.capped import capped
from benchmarks.methods.peers.capped import MAX_FIT_STEPS
from benchmarks.methods.peers.history import History
from benchmarks.methods.peers.history import normal_scores
from benchmarks.methods.peers.history import require_priors
from benchmarks.methods.peers.packages import require
from benchmarks.methods.peers.planned import PlannedSampler
from benchmarks.methods.peers.planned import Target
from benchmarks.methods.peers.pool import candidates
from benchmarks.methods.peers.quiet import quiet_and_seeded
from benchmarks.methods.peers.space import Encoder
from benchmarks.tasks.task import Params


__all__ = ["build"]

_TARGET = 0  # the target's number among the tasks


def build(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """The sampler.

    Raises:
        Unsupported: BoTorch is not installed, or there is no usable prior study.
    """
    require("botorch")
    priors = require_priors(studies, "MultiTaskGP")
    return PlannedSampler(_Planner(capped(priors)), priors, seed)


class _Planner:
    def __init__(self, priors: Sequence[History]) -> None:
        self._priors = priors
        self._state: dict[str, Any] | None = None
        self._width = 0

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        pool = candidates(target, self._priors, rng)
        encoder = Encoder(target.space.distributions)

        def rows(configurations: Sequence[Params]) -> NDArray[np.float64]:
            return encoder.one_hot(encoder.rows(configurations))

        histories = [target.history, *self._priors]
        data = [(rows(h.configurations), normal_scores(h.losses)) for h in histories]
        with quiet_and_seeded(int(rng.integers(2**31))):
            model = self._fitted(data)
            return pool[_best(model, torch.tensor(rows(pool)), data[_TARGET][0])]

    def _fitted(self, data: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Any:
        tasks = [np.column_stack([X, np.full(len(X), float(i))]) for i, (X, _) in enumerate(data)]
        model = require("botorch.models").MultiTaskGP(
            torch.tensor(np.concatenate(tasks)),
            torch.tensor(np.concatenate([y for _, y in data])[:, None]),
            task_feature=-1,
            output_tasks=[_TARGET],
            all_tasks=list(range(len(data))),
            outcome_transform=None,
        )
        width = tasks[_TARGET].shape[1]
        if self._state is not None and self._width == width:
            model.load_state_dict(self._state)
        likelihood = require("gpytorch.mlls").ExactMarginalLogLikelihood(model.likelihood, model)
        options = {"options": {"maxiter": MAX_FIT_STEPS}}
        require("botorch.fit").fit_gpytorch_mll(likelihood, optimizer_kwargs=options)
        self._state, self._width = model.state_dict(), width
        return model


def _best(model: Any, pool: torch.Tensor, seen: NDArray[np.float64]) -> int:
    """Index of the candidate of which the target is expected to improve most."""
    acquisition = require("botorch.acquisition").LogExpectedImprovement
    with torch.no_grad():
        reached = model.posterior(torch.tensor(seen) if len(seen) else pool).mean.min()
        values = acquisition(model, best_f=reached, maximize=False)(pool[:, None, :])
    return int(values.argmax())
