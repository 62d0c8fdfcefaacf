from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from optuna_meta.suggest.expected_improvement import expected_improvement
from optuna_meta.suggest.expected_improvement import log_expected_improvement


def log_h(z: float | np.ndarray) -> np.ndarray:
    z = np.asarray(z, dtype=float)
    return log_expected_improvement(-z, np.ones_like(z), np.zeros_like(z))


@pytest.mark.parametrize(
    ("mean", "deviation", "incumbent"), [(0.0, 1.0, 0.5), (2.0, 0.5, 1.0), (-3.0, 2.0, 4.0)]
)
def test_expected_improvement_is_the_integral(
    mean: float, deviation: float, incumbent: float
) -> None:
    def gain(f: float) -> float:
        return (incumbent - f) * float(norm.pdf(f, mean, deviation))

    integral, _ = quad(gain, mean - 12 * deviation, incumbent, epsabs=1e-14)
    logs = log_expected_improvement(np.array([mean]), np.array([deviation]), np.array([incumbent]))
    assert np.exp(logs[0]) == pytest.approx(integral, rel=1e-9)


def test_expected_improvement_is_the_closed_form_where_that_is_accurate() -> None:
    z = np.linspace(-4.0, 40.0, 400)
    np.testing.assert_allclose(log_h(z), np.log(norm.pdf(z) + z * norm.cdf(z)), rtol=1e-9)


@pytest.mark.parametrize("z", [-30.0, -100.0, -1e3, -9e3, -1.1e4, -1e6, -1e9])
def test_the_far_tail_lies_between_its_asymptotic_bounds(z: float) -> None:
    # log h(z) = log pdf(z) - 2 log|z| + log(1 - 3/z² + 15/z⁴ - ...), an alternating series.
    leading = norm.logpdf(z) - 2.0 * np.log(-z)
    upper = leading + np.log1p(-3.0 / z**2 + 15.0 / z**4)
    lower = leading + np.log1p(-3.0 / z**2)
    slack = 1e-7 + 1e-15 * abs(leading)
    assert lower - slack <= float(log_h(z)) <= upper + slack


def test_more_improvement_is_better_everywhere() -> None:
    z = np.concatenate([-np.geomspace(1e6, 1e-3, 4000), np.geomspace(1e-3, 1e6, 4000)])
    logs = log_h(z)
    assert np.isfinite(logs).all() and (np.diff(logs) > 0).all()


def test_extreme_arguments_raise_no_warning() -> None:
    assert log_h(np.array([-1e200])).tolist() == [-np.inf]
    assert log_h(np.array([1e200]))[0] == pytest.approx(np.log(1e200))


def test_scale_and_shift_are_those_of_the_values() -> None:
    mean, deviation, best = np.array([0.3]), np.array([0.2]), np.array([0.1])
    logs = log_expected_improvement(mean, deviation, best)
    moved = log_expected_improvement(100 * mean + 7, 100 * deviation, 100 * best + 7)
    np.testing.assert_allclose(moved, logs + np.log(100))


def test_both_forms_agree_wherever_floats_reach() -> None:
    z, ones = np.concatenate([np.linspace(-30.0, 30.0, 400), [-np.inf, -1e9]]), np.ones(402)
    found = expected_improvement(-np.minimum(z, 0.0), ones, np.maximum(z, 0.0))
    np.testing.assert_allclose(found[:400], np.exp(log_h(z[:400])), rtol=1e-9)
    assert found[400:].tolist() == [0.0, 0.0]
