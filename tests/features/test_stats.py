from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from optuna_meta.features import stats
from optuna_meta.features.stats import standardise


def test_standard_columns_have_mean_0_and_deviation_1(numbers: np.ndarray) -> None:
    z = standardise(numbers)
    np.testing.assert_allclose(np.nanmean(z, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(z, axis=0), 1)


def test_constant_and_empty_columns_are_dropped() -> None:
    nan = np.nan
    columns = np.array([[0.1, nan, 1, nan, 0], [0.1, nan, 2, 3, 0], [0.1, nan, nan, nan, 0]])
    np.testing.assert_array_equal(standardise(columns), [[-1], [1], [nan]])


@pytest.mark.parametrize("scale", [1e-300, 1e-5, -1e300, 1e308])
def test_scale_and_magnitude_do_not_matter(scale: float) -> None:
    columns = np.array([[0.5, 0.1], [-1.0, 0.2], [0.25, 0.4], [0.0, -1.0]])
    expected = standardise(columns) * np.sign(scale)
    np.testing.assert_allclose(standardise(columns * scale), expected, rtol=1e-6)


def test_moments_are_those_of_scipy(numbers: np.ndarray) -> None:
    n = (~np.isnan(numbers)).sum(axis=0)
    s = np.nanstd(numbers, axis=0, ddof=1)
    third = scipy.stats.moment(numbers, 3, nan_policy="omit") / s**3
    skew = scipy.stats.skew(numbers, nan_policy="omit") * ((n - 1) / n) ** 1.5
    kurt = (scipy.stats.kurtosis(numbers, nan_policy="omit") + 3) * ((n - 1) / n) ** 2 - 3
    z = standardise(numbers)
    np.testing.assert_allclose(stats.skewness(z), third)
    np.testing.assert_allclose(stats.skewness(z), skew)
    np.testing.assert_allclose(stats.kurtosis(z), kurt)


@pytest.mark.parametrize("k", [1, 2, 10])
def test_entropy_of_equal_counts_is_the_logarithm(k: int) -> None:
    assert stats.entropy(np.full(k, 7)) == pytest.approx(np.log2(k))


def test_entropy_is_that_of_scipy() -> None:
    counts = np.array([3, 0, 5, 1])
    assert stats.entropy(counts) == pytest.approx(scipy.stats.entropy(counts, base=2))


def test_summaries_of_too_few_values_are_missing() -> None:
    assert stats.mean(np.array([1, 2])) == 1.5
    assert stats.sd(np.array([1, 2])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan([stats.mean(np.array([])), stats.sd(np.array([1.0]))]).all()


def test_a_ratio_to_nothing_is_missing() -> None:
    assert stats.ratio(1, 4) == 0.25
    assert np.isnan(stats.ratio(0, 0))


@pytest.mark.parametrize("exponent", [-2.0, 0.5])
def test_the_slope_of_a_power_is_its_exponent(exponent: float) -> None:
    x = np.array([1, 2, 5, 30])
    assert stats.log_slope(x, 3.0 * x**exponent) == pytest.approx(exponent)
    assert np.isnan(stats.log_slope(x[:2], x[:2]))


def test_equal_counts_are_even() -> None:
    assert stats.evenness(np.full(5, 3)) == pytest.approx(1.0)
    assert stats.evenness(np.array([1, 3])) == pytest.approx(stats.entropy(np.array([1, 3])))
    assert np.isnan(stats.evenness(np.array([7])))


def test_a_drawn_sample_is_ascending() -> None:
    rng = np.random.default_rng(0)
    assert stats.subsample(3, 5, rng).tolist() == [0, 1, 2]
    drawn = stats.subsample(100, 5, rng)
    assert len(drawn) == 5 and (np.diff(drawn) > 0).all()
