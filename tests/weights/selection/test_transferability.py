from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from optuna_meta.weights.selection.transferability import leep
from optuna_meta.weights.selection.transferability import log_evidence
from optuna_meta.weights.selection.transferability import logme


def _data(n: int, d: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)) * rng.uniform(0.3, 2.0, size=d)
    return features, features @ rng.normal(size=d) + noise * rng.normal(size=n)


def _density(features: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> float:
    covariance = features @ features.T / alpha + np.eye(len(y)) / beta
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y))


@pytest.mark.parametrize("shape", [(30, 4), (12, 20), (6, 6)])
def test_evidence_is_the_density_of_a_gaussian(shape: tuple[int, int]) -> None:
    features, y = _data(*shape, noise=0.5)
    for alpha, beta in [(1.0, 1.0), (0.1, 7.0), (30.0, 0.2)]:
        expected = _density(features, y, alpha, beta)
        assert log_evidence(features, y, alpha, beta) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shape", "noise"), [((40, 3), 0.5), ((40, 8), 3.0), ((15, 25), 2.0)])
def test_logme_is_the_greatest_density(shape: tuple[int, int], noise: float) -> None:
    features, y = _data(*shape, noise=noise)

    def negative(logs: np.ndarray) -> float:
        return -_density(features, y, math.exp(logs[0]), math.exp(logs[1]))

    found = minimize(negative, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6})
    assert logme(features, y) * len(y) == pytest.approx(-found.fun, abs=1e-3)


def test_classes_are_taken_one_against_all() -> None:
    features, y = _data(60, 5, noise=0.5)
    classes = np.digitize(y, [-1.0, 1.0])
    expected = np.mean([logme(features, (classes == c).astype(float)) for c in range(3)])
    assert logme(features, classes) == pytest.approx(expected)
    assert logme(features, 10 - 3 * classes) == pytest.approx(expected)


def test_logme_does_not_depend_on_the_basis_of_features() -> None:
    features, y = _data(40, 6, noise=1.0)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    assert logme(features @ rotation, y) == pytest.approx(logme(features, y))
    assert logme(3.0 * features, y) == pytest.approx(logme(features, y), abs=1e-6)
    padded = np.concatenate([features, np.zeros((40, 9))], axis=1)
    assert logme(padded, y) == pytest.approx(logme(features, y), abs=1e-6)


def test_better_features_have_more_evidence() -> None:
    features, y = _data(60, 4, noise=0.5)
    rng = np.random.default_rng(2)
    scores = [logme(features + s * rng.normal(size=features.shape), y) for s in (0, 0.5, 2, 10)]
    assert scores == sorted(scores, reverse=True)
    random = rng.normal(size=features.shape)
    assert logme(features, np.sign(y).astype(int)) > logme(random, np.sign(y).astype(int))


def test_extremes_stay_finite() -> None:
    features, y = _data(20, 4, noise=0.0)
    exact, constant = logme(features, y), logme(np.ones((20, 4)), y)
    assert math.isfinite(exact) and exact > logme(features, y + 1e-2 * np.cos(np.arange(20.0)))
    assert math.isfinite(constant) and math.isfinite(logme(np.zeros((20, 4)), y))
    assert math.isfinite(logme(features, np.zeros(20)))
    assert math.isfinite(logme(features[:1], y[:1]))


def test_leep_is_what_its_definition_counts() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.dirichlet(np.ones(4), size=25)
    labels = rng.integers(3, size=25)
    total = 0.0
    for i in range(25):
        likelihood = 0.0
        for z in range(4):
            both = sum(predictions[j, z] for j in range(25) if labels[j] == labels[i]) / 25
            likelihood += both / (sum(predictions[:, z]) / 25) * predictions[i, z]
        total += math.log(likelihood)
    assert leep(predictions, labels) == pytest.approx(total / 25)


def test_leep_of_sure_and_of_useless_predictions() -> None:
    labels = np.array([5, 5, 7, 7])
    assert leep(np.eye(3)[[0, 0, 2, 2]], labels) == pytest.approx(0.0)  # A class never predicted.
    assert leep(np.full((4, 3), 1 / 3), labels) == pytest.approx(math.log(0.5))


def test_wrong_input_is_refused() -> None:
    ones = np.ones((3, 1))
    with pytest.raises(ValueError, match=r"each of the 2 labels, got the shape \(3, 1\)"):
        logme(ones, np.zeros(2))
    with pytest.raises(ValueError, match="not finite: the source has diverged"):
        logme(ones * np.nan, np.zeros(3))
    with pytest.raises(ValueError, match="probabilities.* softmax"):
        leep(ones * 2.0, np.zeros(3))
