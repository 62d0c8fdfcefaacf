from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.decomposition import PCA

from optuna_meta.features.stats import standardise
from optuna_meta.features.tabular import statistical


def test_correlations_are_those_of_numpy(numbers: np.ndarray) -> None:
    complete = numbers[~np.isnan(numbers).any(axis=1)]
    expected = np.abs(np.corrcoef(complete.T)[np.triu_indices(5, 1)])
    np.testing.assert_allclose(statistical.absolute_correlations(standardise(complete)), expected)


def test_correlations_with_missing_cells_are_near_the_pairwise_ones(numbers: np.ndarray) -> None:
    expected = pd.DataFrame(numbers).corr().abs().to_numpy()[np.triu_indices(5, 1)]
    actual = statistical.absolute_correlations(standardise(numbers))
    np.testing.assert_allclose(actual, expected, atol=0.03)


def test_columns_without_common_cells_have_no_correlation() -> None:
    nan = np.nan
    z = standardise(np.array([[1, nan], [2, nan], [nan, 1], [nan, 2]]))
    assert statistical.absolute_correlations(z).shape == (0,)


def test_component_shares_are_those_of_sklearn(numbers: np.ndarray) -> None:
    z = np.nan_to_num(standardise(numbers))
    expected = PCA().fit(z).explained_variance_ratio_
    np.testing.assert_allclose(statistical.component_shares(z), expected)


def test_outliers_lie_out_of_tukeys_fences() -> None:
    column = np.array([*range(1, 100), 1_000, np.nan], dtype=float)[:, None]
    assert statistical.outlier_ratio(standardise(column)) == pytest.approx(1 / 100)


def test_spreads_are_those_of_scipy(numbers: np.ndarray) -> None:
    z = standardise(numbers)
    ranges, deviations = statistical.spreads(z)
    np.testing.assert_allclose(ranges, scipy.stats.iqr(z, axis=0, nan_policy="omit"))
    mad = scipy.stats.median_abs_deviation(z, axis=0, nan_policy="omit")
    np.testing.assert_allclose(deviations, mad * 1.4826)


@pytest.mark.parametrize(
    ("column", "expected"), [([1, 2, 3, 4], 0), ([7, 7, 7], 1), ([1, 1, 2, 2], 1 / 3)]
)
def test_sparsity_is_of_values_that_repeat(column: list[int], expected: float) -> None:
    assert statistical.sparsity(np.array(column)) == pytest.approx(expected)
