"""Optuna's own conformance suite, with and without prior studies, fitting and hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from functools import cache
from functools import partial
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.testing.pytest_samplers import MultiObjectiveSamplerTestCase
from optuna.testing.pytest_samplers import RelativeSamplerTestCase
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.sampler.plan import PLAN_KEY


Space = dict[str, BaseDistribution]

FITTING: tuple[Space, ...] = (
    {name: FloatDistribution(0, 10) for name in "xyz"}
    | {name: FloatDistribution(0, 10) for name in "abcdef"},
    {
        "x": IntDistribution(0, 10),
        "y": FloatDistribution(1e-7, 10, log=True),
        "z": IntDistribution(1, 10, log=True),
        "a": CategoricalDistribution([0, 1, 2]),
        "category": CategoricalDistribution([0, 1]),
    },
    {
        "x": FloatDistribution(-1, 1, step=0.25),
        "y": FloatDistribution(-1, 1),
        "b": IntDistribution(1, 99),
        "category": CategoricalDistribution(["exp", "linear", 0]),
    },
)
HOSTILE: tuple[Space, ...] = (
    {name: CategoricalDistribution(["p", None, True, 3]) for name in ("x", "y", "a", "b")},
    {name: FloatDistribution(100, 1e6, log=True) for name in ("x", "y", "category", "c")},
    {name: CategoricalDistribution([False, True]) for name in ("x", "z", "d", "category")},
    {"x": IntDistribution(-7, -7), "other": FloatDistribution(0, 1)},
    {"other": FloatDistribution(0, 1)},
)


def _study(name: str, space: Space, values: Sequence[float], seed: int) -> optuna.Study:
    rng = np.random.default_rng(seed)
    study = optuna.create_study(study_name=name)
    for value in values:
        params = {n: _drawn(d, rng) for n, d in space.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    return study


def _drawn(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    sampler = optuna.samplers.RandomSampler(seed=int(rng.integers(2**31)))
    study = optuna.create_study(sampler=sampler)
    return study.ask({"v": distribution}).params["v"]


@cache
def _fitting() -> FittedPrior:
    studies = [
        _study(f"fitting {i}", space, np.random.default_rng(i).normal(size=8).tolist(), i)
        for i, space in enumerate(FITTING)
    ]
    return fit_prior(Prior.from_studies(studies))


@cache
def _hostile() -> FittedPrior:
    values = [1.0, float("inf"), 3e300, -2.0, float("-inf")]
    studies = [_study(f"hostile {i}", s, values, 10 + i) for i, s in enumerate(HOSTILE)]
    studies.append(_study("one trial", HOSTILE[0], [1.0], 20))
    studies.append(_study("failed", HOSTILE[0], [], 21))
    studies[-1].tell(studies[-1].ask(HOSTILE[0]), state=optuna.trial.TrialState.FAIL)
    studies.append(optuna.create_study(directions=["minimize", "maximize"]))
    with warnings.catch_warnings(action="ignore"):
        return fit_prior(Prior.from_studies(studies))


def _sampler(prior: Callable[[], FittedPrior] | None) -> MetaSampler:
    return MetaSampler(prior_studies=prior() if prior else None, seed=0)


def _id(prior: Callable[[], FittedPrior] | None) -> str:
    return prior.__name__ if prior else "no prior"


class TestBasic(BasicSamplerTestCase):
    @pytest.fixture(params=[None, _fitting, _hostile], ids=_id)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], MetaSampler]:
        return partial(_sampler, request.param)


class TestRelative(RelativeSamplerTestCase):
    @pytest.fixture(params=[None, _hostile], ids=_id)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], MetaSampler]:
        return partial(_sampler, request.param)


class TestMultiObjective(MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=[None, _hostile], ids=_id)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], MetaSampler]:
        return partial(_sampler, request.param)


def test_the_suite_runs_the_model() -> None:
    """Else all of the above would pass on the fallback alone."""
    study = optuna.create_study(sampler=_sampler(_fitting))
    study.optimize(lambda t: t.suggest_float("x", 0, 10) + t.suggest_float("y", 0, 10), 4)
    sources = [t.user_attrs[PLAN_KEY]["source"] for t in study.trials]
    assert sources[0] == "prior studies"
    assert len(sources) == 4
