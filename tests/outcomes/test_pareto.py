from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.outcomes.pareto import best_first
from optuna_meta.outcomes.pareto import feasible
from optuna_meta.outcomes.pareto import is_on_front
from optuna_meta.outcomes.pareto import n_dominators


def no_limits(n: int) -> np.ndarray:
    return np.zeros((n, 0))


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
def test_dominators_are_counted(n_objectives: int) -> None:
    values = np.random.default_rng(0).integers(0, 5, (40, n_objectives)).astype(float)
    counts = [sum(bool((b <= a).all() and (b < a).any()) for b in values) for a in values]
    assert n_dominators(values).tolist() == counts
    assert is_on_front(values).tolist() == [count == 0 for count in counts]


def test_of_one_objective_the_order_is_that_of_the_values() -> None:
    values = np.array([3.0, 1.0, 2.0, 1.0])
    assert best_first(values[:, None], no_limits(4)).tolist() == [1, 3, 2, 0]


def test_the_front_comes_first_its_middle_before_its_ends() -> None:
    values = np.array([[0.0, 9.0], [5.0, 5.0], [1.0, 1.0], [9.0, 0.0], [6.0, 6.0]])
    order = best_first(values, no_limits(5)).tolist()
    assert set(order[:3]) == {0, 2, 3} and order[0] == 2 and order[3:] == [1, 4]


def test_feasible_trials_come_first_then_the_less_violated() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0])[:, None]
    constraint_values = np.array(
        [[5.0, 0.1], [0.3, -1.0], [-1.0, 0.0], [np.nan, 0.0], [-2.0, -1.0]]
    )
    assert feasible(constraint_values).tolist() == [False, False, True, False, True]
    assert best_first(values, constraint_values).tolist() == [2, 4, 1, 0, 3]


def test_without_constraints_all_are_feasible() -> None:
    assert feasible(no_limits(3)).all() and len(best_first(np.zeros((0, 2)), no_limits(0))) == 0
