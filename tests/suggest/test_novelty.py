from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
import pytest

from optuna_meta import MetaSampler
from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space
from optuna_meta.suggest.novelty import log_novelty
from optuna_meta.suggest.novelty import persistence
from optuna_meta.suggest.novelty import plateaus


LINE = Space.from_distributions({"x": FloatDistribution(0.0, 1.0)})
SQUARE = Space.from_distributions({name: FloatDistribution(0.0, 1.0) for name in "xy"})


def stairs(rows: Array, width: float) -> Array:
    """Values (n, 1), the same between borders ``width`` apart along the first dimension."""
    values: Array = np.floor(rows[:, :1] / width)
    return values


def test_a_plateau_reaches_to_the_farthest_equal_trial_nearby() -> None:
    rows = np.array([[0.1], [0.15], [0.3], [0.95], [0.55], [0.57]])
    values = np.array([[1.0], [1.0], [1.0], [1.0], [2.0], [2.0]])
    # 0.95 is too far away for a plateau, and the worst value may be bad for many reasons. From 0.3
    # it is 0.25 to another value: half of that is the most that is known to be the same.
    radii = [0.2, 0.15, 0.125, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(plateaus(rows, values, LINE), radii)
    assert not plateaus(rows, np.arange(6.0)[:, None], LINE).any()
    assert not plateaus(rows, np.column_stack([values, np.arange(6.0)]), LINE).any()
    assert plateaus(rows[:0], values[:0], LINE).shape == (0,)


@pytest.mark.parametrize("mean", [0.02, 0.06])
def test_persistence_is_the_mean_distance_of_borders_that_come_at_random(mean: float) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        borders = np.cumsum(rng.exponential(mean, 500))
        rows = rng.random((50, 1))
        values = np.searchsorted(borders, rows[:, 0])[:, None].astype(float)
        found.append(persistence(rows, values, LINE))
    assert np.mean(found) == pytest.approx(mean, rel=0.25)


def test_persistence_is_none_where_no_value_comes_twice_nearby() -> None:
    rows = np.random.default_rng(0).random((30, 2))
    assert persistence(rows, rows[:, :1], SQUARE) == 0.0
    assert persistence(rows[:0], rows[:0, :1], SQUARE) == 0.0
    assert persistence(rows, np.full((30, 1), 2.0), SQUARE) == 0.0  # All are the worst value.
    far = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    assert persistence(far, np.array([[1.0], [1.0], [2.0]]), SQUARE) == 0.0


def test_values_of_several_objectives_are_equal_only_together() -> None:
    rows = np.random.default_rng(0).random((30, 2))
    both = np.hstack([stairs(rows, 0.2), rows[:, 1:]])
    assert persistence(rows, stairs(rows, 0.2), SQUARE) > 0.0
    assert persistence(rows, both, SQUARE) == 0.0


def test_novelty_is_that_of_the_nearest_trial() -> None:
    rng = np.random.default_rng(0)
    rows, trials = rng.random((50, 2)), rng.random((6, 2))
    nearest = np.min(np.linalg.norm(rows[:, None] - trials, axis=2), axis=1)
    expected = np.log(1.0 - np.exp(-nearest / 0.3))
    np.testing.assert_allclose(log_novelty(rows, trials, SQUARE, 0.3), expected)
    assert np.isfinite(log_novelty(trials, trials, SQUARE, 0.3)).all()


def test_the_best_entry_of_a_table_is_found_though_trials_come_to_the_nearest_one() -> None:
    entries = np.random.default_rng(2).random((100, 3))
    values = ((entries - 0.3) ** 2).sum(axis=1)

    def nearest(trial: optuna.Trial) -> float:
        x = np.array([trial.suggest_float(name, 0.0, 1.0) for name in "abc"])
        return float(values[np.argmin(((entries - x) ** 2).sum(axis=1))])

    study = optuna.create_study(sampler=MetaSampler(prior_studies=[], seed=4))
    study.optimize(nearest, n_trials=25)
    assert study.best_value == values.min()
