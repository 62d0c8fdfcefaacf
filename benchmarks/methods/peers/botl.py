"""Ax's transfer learning, ``Generators.BOTL`` of PyPI ``ax-platform`` 1.3.

A multi-task GP whose acquisition is optimised over the whole space, mixed as it may be. Prior
studies are capped (see ``planned.MAX_SOURCES``), its other settings are the package's own.
Conditions are unknown to it: every configuration has all parameters. It needs a trial of the
target, so the first one is the best trial of the first prior study.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pandas as pd

from benchmarks.methods.peers.planned import capped
from benchmarks.methods.peers.planned import History
from benchmarks.methods.peers.planned import MAX_FIT_STEPS
from benchmarks.methods.peers.planned import PlannedSampler
from benchmarks.methods.peers.planned import quiet_and_seeded
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import require
from benchmarks.methods.peers.planned import Target
from benchmarks.methods.peers.space import choice_keys
from benchmarks.methods.peers.space import FlatSpace
from benchmarks.methods.peers.space import merge
from benchmarks.tasks.task import Params


_METRIC = "loss"


def build(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return the sampler.

    Raises:
        Unsupported: Ax is not installed, or there is no usable prior study.
    """
    with quiet_and_seeded(seed):  # it logs when it is imported
        require("ax.adapter.transfer_learning.adapter")
    priors = read_priors(studies, "Ax's BOTL")
    return PlannedSampler(_Planner(capped(priors)), priors, seed)


class _Planner:
    def __init__(self, priors: Sequence[History]) -> None:
        self._priors = priors
        self._wide = merge(space for prior in priors for space in prior.spaces)

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        if not target.history.configurations:
            return self._priors[0].best(1)[0]
        space = FlatSpace(target.space.distributions)
        with quiet_and_seeded(int(rng.integers(2**31))):
            return space.params(self._generated(space, target.history))

    def _generated(self, space: FlatSpace, history: History) -> dict[str, Any]:
        purpose = require("ax.core.auxiliary").AuxiliaryExperimentPurpose.TRANSFERABLE_EXPERIMENT
        source = require("ax.core.auxiliary_source").AuxiliarySource
        # A prior study keeps its own ranges, else its trials outside the target's were dropped.
        wide = FlatSpace({**space.distributions, **self._wide})
        sources = [
            source(_experiment(f"prior {i}", wide, prior)) for i, prior in enumerate(self._priors)
        ]
        experiment = _experiment("target", space, history, {purpose: sources})
        transfer = require("ax.adapter.transfer_learning.adapter")
        (spec,), _ = transfer.transfer_learning_generator_specs_constructor(
            model_class=_model_class(), use_model_selection=False
        )
        spec.fit(experiment=experiment, data=experiment.lookup_data())
        run = spec.gen(experiment=experiment, data=experiment.lookup_data(), n=1)
        return dict(run.arms[0].parameters)


@functools.cache
def _model_class() -> Any:
    """Return BoTorch's ``MultiTaskGP``, fitted in a limited number of steps.

    Ax has no option for it, but lets a class of models have a fitting routine of its own.
    """
    base: Any = require("botorch.models").MultiTaskGP
    model_class = type("CappedMultiTaskGP", (base,), {})

    @require("ax.generators.torch.botorch_modular.utils").fit_botorch_model.register(model_class)  # type: ignore[untyped-decorator]
    def fit(model: Any, mll_class: Any, mll_options: dict[str, Any] | None = None) -> None:
        likelihood = mll_class(model.likelihood, model)
        options = {"options": {"maxiter": MAX_FIT_STEPS}}
        require("botorch.fit").fit_gpytorch_mll(likelihood, optimizer_kwargs=options)

    return model_class


def _experiment(name: str, space: FlatSpace, history: History, auxiliary: Any = None) -> Any:
    core = require("ax.core")
    objective = core.Objective(metric=core.Metric(_METRIC), minimize=True)
    experiment = core.Experiment(
        name=name,
        search_space=core.SearchSpace([_parameter(n, d) for n, d in space.distributions.items()]),
        optimization_config=core.OptimizationConfig(objective),
        auxiliary_experiments_by_purpose=auxiliary,
    )
    rows = []
    for params, loss in zip(history.configurations, history.losses.tolist(), strict=True):
        trial = experiment.new_trial()
        trial.add_arm(core.Arm(parameters=space.flat(params)))
        trial.mark_running(no_runner_required=True).mark_completed()
        rows.append((trial.index, trial.arm.name, _METRIC, _METRIC, loss, float("nan")))
    columns = ["trial_index", "arm_name", "metric_name", "metric_signature", "mean", "sem"]
    experiment.attach_data(core.Data(df=pd.DataFrame(rows, columns=columns)))
    return experiment


def _parameter(name: str, distribution: BaseDistribution) -> Any:
    core, kinds = require("ax.core"), require("ax.core.parameter").ParameterType
    if isinstance(distribution, CategoricalDistribution):
        keys = list(choice_keys(distribution))
        if len(keys) == 1:
            return core.FixedParameter(name, kinds.STRING, keys[0])
        return core.ChoiceParameter(name, kinds.STRING, keys, is_ordered=False, sort_values=False)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    kind = kinds.INT if isinstance(distribution, IntDistribution) else kinds.FLOAT
    low, high = distribution.low, distribution.high
    if low == high:
        return core.FixedParameter(name, kind, low)
    return core.RangeParameter(name, kind, low, high, log_scale=distribution.log)
