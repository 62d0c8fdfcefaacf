import numpy as np
import pytest

from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import hypervolume
from benchmarks.tasks.objectives import losses
from benchmarks.tasks.objectives import non_dominated


def test_hypervolume_of_a_staircase():
    # Boxes from (1, 3), (2, 2) and (3, 1) to (4, 4): 3 + 2 more + 1 more.
    assert hypervolume(np.array([[1.0, 3.0], [3.0, 1.0], [2.0, 2.0]]), (4.0, 4.0)) == 6.0
    assert hypervolume(np.array([[2.0, 2.0], [3.0, 3.0], [2.0, 2.0]]), (4.0, 4.0)) == 4.0
    assert hypervolume(np.array([[4.0, 0.0], [0.0, 5.0]]), (4.0, 4.0)) == 0.0
    assert hypervolume(np.empty((0, 2)), (4.0, 4.0)) == 0.0


def test_hypervolume_is_the_share_of_random_points_that_are_dominated():
    rng = np.random.default_rng(0)
    L, points = rng.random((12, 2)), rng.random((40_000, 2))
    dominated = (points[:, None] >= L[None]).all(axis=2).any(axis=1)
    assert hypervolume(L, (1.0, 1.0)) == pytest.approx(dominated.mean(), abs=0.01)


def test_non_dominated_ones_are_what_no_other_one_dominates():
    L = np.random.default_rng(1).integers(0, 6, (30, 2)).astype(float)
    kept = {tuple(row) for row in L[non_dominated(L)]}
    assert len(kept) == len(non_dominated(L))  # equal ones once
    for row in L:
        better = (L <= row).all(axis=1) & (L < row).any(axis=1)
        assert (tuple(row) in kept) == (not better.any())


def test_the_reference_point_is_the_median_score_and_the_longest_time():
    Y = np.array([[10.0, 1.0], [20.0, np.e], [30.0, np.e**2]])
    assert losses(Y)[:, 1].tolist() == pytest.approx([0.0, 1.0, 2.0])
    point, best = front_of(Y)
    assert point == pytest.approx((-20.0, 2.0))
    assert best == 0.0  # the best score takes the longest time: it adds nothing
    assert front_of(Y, np.array([[30.0, np.e]])) == (point, pytest.approx(10.0))
