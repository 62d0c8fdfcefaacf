"""Standings compare across scales, take odd values, and order trials."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.pruning.standing import columns
from optuna_meta.pruning.standing import filled
from optuna_meta.pruning.standing import front_of
from optuna_meta.pruning.standing import improves
from optuna_meta.pruning.standing import levels
from optuna_meta.pruning.standing import N_COLUMNS
from optuna_meta.pruning.standing import standing


RNG = np.random.default_rng(0)
OTHERS = RNG.random((9, 4, 1))
REACHED = np.ones((9, 4), dtype=bool)


def stood(now: np.ndarray, others: np.ndarray = OTHERS) -> np.ndarray:
    best = others[:1]
    return standing(now, now + 0.1, best, others, np.ones(others.shape[:2], dtype=bool))


@pytest.mark.parametrize(("factor", "shift"), [(1e-9, 0.0), (1e9, -3e9), (2.0, 7.0)])
def test_units_and_zero_points_do_not_matter(factor: float, shift: float) -> None:
    now = OTHERS[4]
    moved = standing(
        factor * now + shift,
        factor * (now + 0.1) + shift,
        factor * OTHERS[:1] + shift,
        factor * OTHERS + shift,
        REACHED,
    )
    np.testing.assert_allclose(moved, stood(now), rtol=1e-6)


def test_worse_values_stand_farther_behind_and_lower() -> None:
    found = np.array([stood(np.full((4, 1), value)) for value in (0.1, 0.5, 0.9)])
    assert (np.diff(found[:, :, :2], axis=0) > 0.0).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, -1e308])
def test_values_without_bound_stand_somewhere(value: float) -> None:
    others = OTHERS.copy()
    others[3] = value
    others[0, 1] = value
    with np.errstate(over="ignore"):
        assert np.isfinite(stood(np.full((4, 1), value), others)).all()


def test_equal_trials_are_no_gap_apart() -> None:
    same = np.ones((5, 4, 1))
    found = standing(same[0], same[0], same[:1], same, np.ones((5, 4), dtype=bool))
    assert (found[:, [0, 2]] == 0.0).all()


def test_a_trial_that_stopped_before_counts_as_no_better() -> None:
    now, reached = np.full((4, 1), 0.99), REACHED.copy()
    reached[1:5] = False
    fewer = standing(now, now, OTHERS[:1], OTHERS, reached)[:, 1]
    assert (fewer < standing(now, now, OTHERS[:1], OTHERS, REACHED)[:, 1]).all()


def test_of_two_objectives_one_that_leads_is_not_behind() -> None:
    front = np.array([[[0.0, 1.0]], [[1.0, 0.0]]])
    reached = np.ones((2, 1), dtype=bool)
    leads = standing(np.array([[-0.5, 5.0]]), np.array([[0.0, 5.0]]), front, front, reached)
    trails = standing(np.array([[1.5, 1.5]]), np.array([[2.0, 2.0]]), front, front, reached)
    assert leads[0, 0] < 0.0 < trails[0, 0]


def test_a_spike_is_no_level() -> None:
    values = np.array([1.0, 0.9, 0.8, 50.0, 0.7, 0.6])[None, :, None]
    assert levels(values)[0, 3, 0] == 0.8


def test_the_last_report_stays_and_nothing_comes_before_the_first() -> None:
    values = np.array([np.nan, 2.0, np.nan, 1.0, np.nan])[None, :, None]
    np.testing.assert_array_equal(filled(values)[0, :, 0], [np.nan, 2.0, 2.0, 1.0, 1.0])


def test_the_front_is_the_best_trial_or_all_that_none_dominates() -> None:
    assert front_of(np.array([[3.0], [1.0], [2.0]])).tolist() == [1]
    assert front_of(np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])).tolist() == [0, 2]


def test_to_be_as_good_is_no_improvement() -> None:
    known = np.array([[1.0], [2.0]])
    assert improves(np.array([0.9]), known)
    assert not improves(np.array([1.0]), known)


def test_columns_are_bounded_all_along_the_way() -> None:
    positions = np.linspace(1e-9, 1.0, 20)
    found = columns(np.ones((20, 5)), positions)
    assert found.shape == (20, N_COLUMNS)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    np.testing.assert_allclose(found.reshape(20, 6, 3).sum(axis=2), 1.0)


def test_of_more_trials_fewer_are_the_best() -> None:
    few, many = stood(OTHERS[4]), stood(OTHERS[4], np.concatenate([OTHERS] * 3))
    np.testing.assert_allclose(few[:, 4], np.log(9.0))
    np.testing.assert_allclose(many[:, 4], np.log(27.0))
