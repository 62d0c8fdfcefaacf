"""BoTorch's ``MultiTaskGP`` with log expected improvement over a pool of candidates.

Values are normal scores of ranks in each task, choices one-hot. Refitted at each trial from the
last one's hyperparameters, so prior studies are capped (``planned.MAX_SOURCES``).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import torch

from benchmarks.methods.peers import planned
from benchmarks.methods.peers.domain import Encoder
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Params


_TARGET = 0  # the target's number among the tasks


def build(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    planned.require("botorch")
    priors = planned.read_priors(studies, "MultiTaskGP")
    used = planned.capped(priors)
    known: dict[int, Any] = {}  # the last hyperparameters by the width of rows

    def suggest(target: planned.Target, rng: np.random.Generator) -> Params:
        pool = target.candidates(used, rng)
        histories = [target.history, *used]
        encoder = Encoder(target.space.distributions)
        configurations = [pool, *(history.configurations for history in histories)]
        rows, *tasks = (encoder.one_hot(encoder.rows(each)) for each in configurations)
        scores = [planned.normal_scores(history.losses) for history in histories]
        with planned.quiet_and_seeded(int(rng.integers(2**31))):
            model = _fitted(tasks, scores, known.get(rows.shape[1]))
            known[rows.shape[1]] = model.state_dict()
            return pool[_best(model, torch.tensor(rows), tasks[_TARGET])]

    return planned.PlannedSampler(suggest, priors, seed)


def _fitted(tasks: Sequence[Array], scores: Sequence[Array], state: Any) -> Any:
    X = [np.column_stack([rows, np.full(len(rows), i)]) for i, rows in enumerate(tasks)]
    model = planned.require("botorch.models").MultiTaskGP(
        torch.tensor(np.concatenate(X)),
        torch.tensor(np.concatenate(scores)[:, None]),
        task_feature=-1,
        output_tasks=[_TARGET],
        all_tasks=list(range(len(tasks))),
        outcome_transform=None,
    )
    if state is not None:
        model.load_state_dict(state)
    marginal = planned.require("gpytorch.mlls").ExactMarginalLogLikelihood
    options = {"options": {"maxiter": planned.MAX_FIT_STEPS}}
    fit = planned.require("botorch.fit").fit_gpytorch_mll
    fit(marginal(model.likelihood, model), optimizer_kwargs=options)
    return model


def _best(model: Any, pool: torch.Tensor, seen: Array) -> int:
    acquisition = planned.require("botorch.acquisition").LogExpectedImprovement
    with torch.no_grad():
        reached = model.posterior(torch.tensor(seen) if len(seen) else pool).mean.min()
        values = acquisition(model, best_f=reached, maximize=False)(pool[:, None, :])
    return int(values.argmax())
