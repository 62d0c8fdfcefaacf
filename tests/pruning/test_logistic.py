"""Logistic regression finds what made the data, keeps bounds, and stays where it knows none."""

from __future__ import annotations

import numpy as np

from optuna_meta.pruning.logistic import chance
from optuna_meta.pruning.logistic import fit_logistic


TRUTH = np.array([-1.0, 2.0, -0.5])
FREE = np.full(3, np.inf)


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(n), rng.standard_normal((n, 2))])
    return X, (rng.random(n) < chance(X, TRUTH)).astype(float)


def test_the_coefficients_that_made_the_data_are_found() -> None:
    X, y = data(20_000)
    found = fit_logistic(X, y, np.ones(len(y)), np.zeros(3), 1.0, -FREE, FREE)
    np.testing.assert_allclose(found, TRUTH, atol=0.1)


def test_without_data_they_stay_at_the_centre() -> None:
    centre = np.array([0.5, -0.5, 1.0])
    found = fit_logistic(np.zeros((0, 3)), np.zeros(0), np.zeros(0), centre, 1.0, -FREE, FREE)
    np.testing.assert_allclose(found, centre)


def test_bounds_hold_against_the_data() -> None:
    X, y = data(2_000)
    upper = np.array([np.inf, 0.0, np.inf])
    assert fit_logistic(X, y, np.ones(len(y)), np.zeros(3), 1.0, -FREE, upper)[1] == 0.0


def test_data_that_can_be_told_apart_exactly_give_finite_coefficients() -> None:
    X = np.column_stack([np.ones(6), np.array([-3, -2, -1, 1, 2, 3])])
    y = (X[:, 1] > 0).astype(float)
    found = fit_logistic(X, y, np.full(6, 100.0), np.zeros(2), 1.0, -FREE[:2], FREE[:2])
    assert np.isfinite(found).all()
    assert found[1] > 1.0
