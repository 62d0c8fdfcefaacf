"""Ax's transfer learning, ``Generators.BOTL`` of PyPI ``ax-platform`` 1.3.

It knows no conditions and needs a trial: the first one is the best of the first prior study.
"""

from collections.abc import Sequence
import functools
from typing import Any

import numpy as np
import optuna
from optuna.distributions import IntDistribution
import pandas as pd

from benchmarks.methods.peers import domain
from benchmarks.methods.peers import planned
from benchmarks.tasks.base import Params


_METRIC = "loss"


def build(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    with planned.quiet_and_seeded(seed):  # it logs when it is imported
        planned.require("ax.adapter.transfer_learning.adapter")
    priors = planned.read_priors(studies, "Ax's BOTL")
    used = planned.capped(priors)
    wide = domain.merge(space for prior in used for space in prior.spaces)

    def suggest(target: planned.Target, rng: np.random.Generator) -> Params:
        if not target.history.configurations:
            return used[0].best(1)[0]
        space = domain.FlatSpace(target.space.distributions)
        # A prior study keeps its own ranges, else its trials outside the target's were dropped.
        spaces = [domain.FlatSpace({**space.distributions, **wide})] * len(used)
        with planned.quiet_and_seeded(int(rng.integers(2**31))):
            return space.params(_generated([space, *spaces], [target.history, *used]))

    return planned.PlannedSampler(suggest, priors, seed)


def _generated(
    spaces: Sequence[domain.FlatSpace], histories: Sequence[planned.History]
) -> dict[str, Any]:
    """Return what Ax suggests for the first of these studies."""
    kinds = planned.require("ax.core.auxiliary").AuxiliaryExperimentPurpose
    source = planned.require("ax.core.auxiliary_source").AuxiliarySource
    sources = [
        source(_experiment(f"prior {i}", *study))
        for i, study in enumerate(zip(spaces[1:], histories[1:], strict=True))
    ]
    auxiliary = {kinds.TRANSFERABLE_EXPERIMENT: sources}
    experiment = _experiment("target", spaces[0], histories[0], auxiliary)
    transfer = planned.require("ax.adapter.transfer_learning.adapter")
    (spec,), _ = transfer.transfer_learning_generator_specs_constructor(
        model_class=_model_class(), use_model_selection=False
    )
    spec.fit(experiment=experiment, data=experiment.lookup_data())
    run = spec.gen(experiment=experiment, data=experiment.lookup_data(), n=1)
    return dict(run.arms[0].parameters)


@functools.cache
def _model_class() -> Any:
    model_class = type("CappedMultiTaskGP", (planned.require("botorch.models").MultiTaskGP,), {})

    def fit(model: Any, mll_class: Any, mll_options: dict[str, Any] | None = None) -> None:
        likelihood = mll_class(model.likelihood, model)
        options = {"options": {"maxiter": planned.MAX_FIT_STEPS}}
        planned.require("botorch.fit").fit_gpytorch_mll(likelihood, optimizer_kwargs=options)

    utils = planned.require("ax.generators.torch.botorch_modular.utils")
    utils.fit_botorch_model.register(model_class)(fit)
    return model_class


def _experiment(
    name: str, space: domain.FlatSpace, history: planned.History, auxiliary: Any = None
) -> Any:
    core = planned.require("ax.core")
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


def _parameter(name: str, distribution: optuna.distributions.BaseDistribution) -> Any:
    core, kinds = planned.require("ax.core"), planned.require("ax.core.parameter").ParameterType
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        keys = list(domain.choice_keys(distribution))
        if len(keys) == 1:
            return core.FixedParameter(name, kinds.STRING, keys[0])
        return core.ChoiceParameter(name, kinds.STRING, keys, is_ordered=False, sort_values=False)
    assert isinstance(distribution, optuna.distributions.FloatDistribution | IntDistribution)
    kind = kinds.INT if isinstance(distribution, IntDistribution) else kinds.FLOAT
    low, high = distribution.low, distribution.high
    if low == high:
        return core.FixedParameter(name, kind, low)
    return core.RangeParameter(name, kind, low, high, log_scale=distribution.log)
