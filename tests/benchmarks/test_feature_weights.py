from __future__ import annotations

import numpy as np
import pytest

from benchmarks.features.relevance import _compared
from benchmarks.features.relevance import WEIGHTINGS
from benchmarks.features.relevance import World


def world(seed: int = 0, n: int = 24) -> World:
    """Data sets whose best configuration is told by the feature ``size``."""
    rng = np.random.default_rng(seed)
    optima = rng.permutation(n) / n
    x = np.repeat(optima, 3) + 0.02 * rng.standard_normal(3 * n)
    Z = np.abs(x[:, None] - optima)
    features = [{"size": 10.0 ** (3 * optimum), "luck": rng.random()} for optimum in optima]
    return World(features, Z, np.repeat(np.arange(n), 3), Z)


def test_features_that_tell_the_optimum_help_and_those_of_others_do_not() -> None:
    lines = _compared([world(0), world(1)], 6).splitlines()[2:]
    cells = {line.split("|")[1].strip(): line.split("|")[2:] for line in lines}
    regrets = {name: float(row[0]) for name, row in cells.items()}
    assert regrets["by the target itself"] < 0.5 * regrets["no features"]
    assert regrets["learned weights"] < 0.7 * regrets["no features"]
    assert regrets["learned weights, permuted"] == pytest.approx(regrets["no features"], rel=0.15)
    assert regrets["nearest 1, permuted"] > 1.2 * regrets["no features"]


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weights_are_weights(name: str) -> None:
    told, priors = world(), np.arange(1, 21)
    weights = WEIGHTINGS[name](told, priors, 0)
    assert weights.shape == (20,) and (weights >= 0.0).all()
    assert weights.sum() == pytest.approx(1.0)
    assert told.first_regret(0, priors, weights) >= 0.0
