"""Rank correlations with the target's own trials, within one start."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from optuna_meta.suggest.comparison import compared
from optuna_meta.suggest.comparison import ENOUGH


Z = np.random.default_rng(0).standard_normal((50, 3))
SCRATCH = np.zeros(50, dtype=np.int64)


def test_of_one_start_it_is_the_rank_correlation() -> None:
    y = np.round(Z[:, 0] - Z[:, 2], 1)  # With ties.
    expected = [spearmanr(column, y).statistic for column in Z.T]
    for start in (0, 2):
        found = compared(Z, y, SCRATCH + start)
        np.testing.assert_allclose(found.correlations, expected)
        assert found.n_trials == 50 and found.is_from_scratch == (start == 0)


def test_only_the_order_counts() -> None:
    y = np.array([1.0, 10.0, 100.0, 3.0])
    found = compared(np.column_stack([np.log(y), -y, np.ones(4)]), y, SCRATCH[:4])
    np.testing.assert_allclose(found.correlations, [1.0, -1.0, np.nan], atol=1e-12)


def test_before_three_trials_nothing_is_known() -> None:
    assert np.isnan(compared(Z[:2], Z[:2, 0], SCRATCH[:2]).correlations).all()
    lone = compared(Z[:3], Z[:3, 0], np.arange(3))
    assert np.isnan(lone.correlations).all() and lone.n_trials == 1


def test_what_a_start_is_worth_is_nobodys_agreement() -> None:
    """Models from trained weights are far better, and lie where the study expects the worst."""
    z, starts = np.append(np.arange(5.0), np.arange(5.0) + 10.0), np.repeat([0, 1], 5)
    y = z - 100.0 * starts
    assert spearmanr(z, y).statistic < -0.4
    found = compared(z[:, None], y, starts)
    assert found.correlations == pytest.approx([1.0])
    assert found.n_trials == 9 and not found.is_from_scratch


def test_enough_trials_from_scratch_are_compared_alone() -> None:
    """What suits a training from scratch may be wrong from trained weights."""
    z = np.append(np.arange(float(ENOUGH)), np.arange(20.0))
    starts = np.repeat([0, 1], [ENOUGH, 20])
    y = np.where(starts == 0, z, -z)
    found = compared(z[:, None], y, starts)
    assert found.correlations == pytest.approx([1.0])
    assert found.n_trials == ENOUGH and found.is_from_scratch
    fewer = compared(z[1:, None], y[1:], starts[1:])
    assert fewer.correlations[0] < 0.0 and not fewer.is_from_scratch


def test_the_last_digits_of_what_a_study_expects_say_nothing() -> None:
    """Asked of equal trials in other batches, it answers with others."""
    z, y = np.array([[0.5], [0.5], [1.0], [0.2]]), np.array([1.0, 2.0, 4.0, 3.0])
    expected = compared(z, y, SCRATCH[:4]).correlations
    for digits in ([1e-16, -1e-16, 0.0, 0.0], [-1e-16, 1e-16, 0.0, 0.0]):
        other = compared(z + np.array(digits)[:, None], y, SCRATCH[:4]).correlations
        np.testing.assert_array_equal(other, expected)
