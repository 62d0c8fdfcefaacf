"""Categoricals of numbers: their order is learned, their values and objects are the user's."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from functools import cache
import json
import math
from pathlib import Path
import pickle

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import PartialFixedSampler
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import Prior
from tests.toys import meta_sampler
from tests.toys import run


RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01]
PRIOR = [
    {"vocabulary": CategoricalDistribution(v), "rate": CategoricalDistribution(RATES)}
    for v in ([10_000, 30_000, 50_000], [50_000, 30_000, 20_000], [5000, 15_000, 40_000])
]
ASKED: dict[str, Mapping[str, BaseDistribution]] = {
    "another list": {
        "vocabulary": CategoricalDistribution([1000, 2000, 32_000.0, 4000]),
        "rate": CategoricalDistribution([0.05, 0.002, 0.00005]),
    },
    "ranges": {
        "vocabulary": IntDistribution(1000, 40_000, log=True),
        "rate": FloatDistribution(5e-5, 5e-2, log=True),
    },
}


def loss(trial: optuna.Trial) -> float:
    """Least at 30,000 and 0.003; a thousandth of the vocabulary costs as much as ten times."""
    vocabulary, rate = trial.params["vocabulary"], trial.params["rate"]
    return math.log10(vocabulary / 30_000) ** 2 + 0.5 * math.log10(rate / 0.003) ** 2


def asking(space: Mapping[str, BaseDistribution]) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        for name, distribution in space.items():
            trial._suggest(name, distribution)
        return loss(trial)

    return objective


@cache
def priors(kind: str) -> FittedPrior:
    spaces = PRIOR if kind == "lists" else [ASKED["ranges"]] * 3
    studies = [run(asking(s), 15, seed=i, study_name=f"{i}") for i, s in enumerate(spaces)]
    return fit_prior(Prior.from_studies(studies))


@pytest.mark.parametrize(
    ("prior", "asked"),
    [("lists", "another list"), ("lists", "ranges"), ("ranges", "another list")],
)
def test_what_was_learned_of_other_numbers_serves(prior: str, asked: str) -> None:
    """No value of the target's is one of the prior studies'."""
    study = run(asking(ASKED[asked]), 3, sampler=meta_sampler(priors(prior)))
    first = study.trials[0]
    assert first.params["vocabulary"] > 10_000 and 0.0005 < first.params["rate"] < 0.02
    assert study.best_value < 0.05
    trust = [trial.user_attrs["optuna_meta:plan"]["trust"] for trial in study.trials]
    assert min(trust) > 0.3


def test_what_is_served_and_recorded_are_the_lists_own_objects() -> None:
    listed = ASKED["another list"]
    sampler = meta_sampler(priors("lists"))
    study = run(asking(listed), 6, sampler=sampler)
    shown = [sampler.explain(study).params, *(trial.params for trial in study.trials)]
    plans = [trial.user_attrs["optuna_meta:plan"]["params"] for trial in study.trials]
    for params in (*shown, *plans):
        for name, distribution in listed.items():
            assert isinstance(distribution, CategoricalDistribution)
            (same,) = (c for c in distribution.choices if c == params[name])
            assert type(params[name]) is type(same)
    assert json.dumps(plans)


def test_the_best_number_of_a_list_is_found_beside_its_neighbours() -> None:
    """Cold, 14 x 14 configurations: were they categories, each would have to be tried."""
    sizes = [2**k for k in range(14)]
    space = {name: CategoricalDistribution(sizes[::-1]) for name in ("a", "b")}

    def objective(trial: optuna.Trial) -> float:
        a, b = (trial._suggest(name, d) for name, d in space.items())
        return abs(math.log2(a) - 9) + abs(math.log2(b) - 4)

    for seed in range(3):
        study = run(objective, 22, sampler=meta_sampler(None, seed=seed))
        assert study.best_value <= 1.0


@pytest.mark.parametrize("with_prior", [True, False])
def test_a_finite_space_of_numbers_is_searched_without_repetition(with_prior: bool) -> None:
    space = {
        "vocabulary": CategoricalDistribution([30_000, 1000, 8000]),
        "rate": CategoricalDistribution([0.1, 0.003, 0.01, 0.003]),
    }
    sampler = meta_sampler(priors("lists") if with_prior else None)
    study = run(asking(space), 9, sampler=sampler)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 9


@pytest.mark.parametrize("seed", range(3))
def test_a_number_that_has_a_parameter_of_its_own_is_found(seed: int) -> None:
    """Its neighbours with that parameter are phantoms, and it is neither first nor last."""

    def arms(trial: optuna.Trial) -> float:
        x, y = (trial.suggest_float(name, -5.0, 5.0) for name in "xy")
        layers = trial.suggest_categorical("layers", [1, 2, 4, 8])
        value = 0.3 * ((x - 1.0) ** 2 + (y + 2.0) ** 2) + {4: 0.0, 2: 0.5, 8: 0.5, 1: 1.5}[layers]
        return value + (
            2.0 * (trial.suggest_float("m", 0.0, 1.0) - 0.8) ** 2 if layers == 4 else 0
        )

    assert run(arms, 50, sampler=meta_sampler(None, seed=seed)).best_value < 0.05


def test_a_fixed_number_of_a_list_is_kept() -> None:
    sampler = PartialFixedSampler({"vocabulary": 2000}, meta_sampler(priors("lists")))
    study = run(asking(ASKED["another list"]), 3, sampler=sampler)
    assert {trial.params["vocabulary"] for trial in study.trials} == {2000}
    assert study.best_trial.params["rate"] == 0.002


def test_a_saved_and_a_pickled_prior_suggest_the_same(tmp_path: Path) -> None:
    priors("lists").save(tmp_path / "prior")
    samplers = [
        meta_sampler(priors("lists")),
        meta_sampler(FittedPrior.load(tmp_path / "prior")),
        pickle.loads(pickle.dumps(meta_sampler(priors("lists")))),
    ]
    studies = [run(asking(ASKED["another list"]), 4, sampler=sampler) for sampler in samplers]
    first, *others = ([trial.params for trial in study.trials] for study in studies)
    assert all(other == first for other in others)
