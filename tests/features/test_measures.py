from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.decomposition import PCA

from optuna_meta.features import measures
from optuna_meta.features.measures import standardise


@pytest.fixture
def numbers() -> np.ndarray:
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 5))
    columns[:, 0] = np.exp(columns[:, 0])
    columns[rng.random(columns.shape) < 0.1] = np.nan
    return columns


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
    np.testing.assert_allclose(measures.skewness(z), third)
    np.testing.assert_allclose(measures.skewness(z), skew)
    np.testing.assert_allclose(measures.kurtosis(z), kurt)


def test_correlations_are_those_of_numpy(numbers: np.ndarray) -> None:
    complete = numbers[~np.isnan(numbers).any(axis=1)]
    expected = np.abs(np.corrcoef(complete.T)[np.triu_indices(5, 1)])
    np.testing.assert_allclose(measures.absolute_correlations(standardise(complete)), expected)


def test_correlations_with_missing_cells_are_near_the_pairwise_ones(numbers: np.ndarray) -> None:
    expected = pd.DataFrame(numbers).corr().abs().to_numpy()[np.triu_indices(5, 1)]
    actual = measures.absolute_correlations(standardise(numbers))
    np.testing.assert_allclose(actual, expected, atol=0.03)


def test_columns_without_common_cells_have_no_correlation() -> None:
    nan = np.nan
    z = standardise(np.array([[1, nan], [2, nan], [nan, 1], [nan, 2]]))
    assert measures.absolute_correlations(z).shape == (0,)


def test_component_shares_are_those_of_sklearn(numbers: np.ndarray) -> None:
    z = np.nan_to_num(standardise(numbers))
    expected = PCA().fit(z).explained_variance_ratio_
    np.testing.assert_allclose(measures.component_shares(z), expected)


def test_outliers_lie_out_of_tukeys_fences() -> None:
    column = np.array([*range(1, 100), 1_000, np.nan], dtype=float)[:, None]
    assert measures.outlier_ratio(standardise(column)) == pytest.approx(1 / 100)


def test_bins_are_about_equally_frequent() -> None:
    bins = measures.discretise(np.array([*range(12), np.nan])[:, None], 4)[:, 0]
    assert bins.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, -1]


@pytest.mark.parametrize("k", [1, 2, 10])
def test_entropy_of_equal_counts_is_the_logarithm(k: int) -> None:
    assert measures.entropy(np.full(k, 7)) == pytest.approx(np.log2(k))


def test_entropy_is_that_of_scipy() -> None:
    counts = np.array([3, 0, 5, 1])
    assert measures.entropy(counts) == pytest.approx(scipy.stats.entropy(counts, base=2))


def test_a_contingency_table_counts_pairs_that_are_present() -> None:
    x, y = np.array([0, 0, 2, -1, 1, 0]), np.array([1, 1, 0, 1, -1, 0])
    assert measures.contingency(x, y).tolist() == [[1, 2], [0, 0], [1, 0]]
    assert measures.contingency(x, np.full(6, -1)).shape == (0, 0)


def test_spreads_are_those_of_scipy(numbers: np.ndarray) -> None:
    z = standardise(numbers)
    ranges, deviations = measures.spreads(z)
    np.testing.assert_allclose(ranges, scipy.stats.iqr(z, axis=0, nan_policy="omit"))
    mad = scipy.stats.median_abs_deviation(z, axis=0, nan_policy="omit")
    np.testing.assert_allclose(deviations, mad * 1.4826)


@pytest.mark.parametrize(
    ("column", "expected"), [([1, 2, 3, 4], 0), ([7, 7, 7], 1), ([1, 1, 2, 2], 1 / 3)]
)
def test_sparsity_is_of_values_that_repeat(column: list[int], expected: float) -> None:
    assert measures.sparsity(np.array(column)) == pytest.approx(expected)


def test_summaries_of_too_few_values_are_missing() -> None:
    assert measures.mean(np.array([1, 2])) == 1.5
    assert measures.sd(np.array([1, 2])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan([measures.mean(np.array([])), measures.sd(np.array([1.0]))]).all()


def test_a_ratio_to_nothing_is_missing() -> None:
    assert measures.ratio(1, 4) == 0.25
    assert np.isnan(measures.ratio(0, 0))
