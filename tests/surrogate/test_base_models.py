from __future__ import annotations

import numpy as np
import pytest

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.base_models import active_tasks
from optuna_meta.surrogate.base_models import BaseModels
from optuna_meta.surrogate.base_models import MOST_ACTIVE
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import design


CUBE = Space((Dimension("c", choices=("a", "b")), Dimension("x", 0.0, 2.0), Dimension("y")))


def fitted_prior(n_tasks: int = 2, n: int = 10) -> FittedPrior:
    rng = np.random.default_rng(0)
    tasks = []
    for t in range(n_tasks):
        rows = np.column_stack([rng.integers(0, 2, n), rng.random((n, 2))])
        tasks.append(Task(f"t{t}", rows, (rows[:, 1] - 0.2) ** 2 + 0.1 * rows[:, 0]))
    return fit_prior(Prior(CUBE, tuple(tasks)))


FITTED = fitted_prior()


def uniform_weights(n_tasks: int) -> Array:
    return np.full(n_tasks, 1.0 / n_tasks)


@pytest.mark.parametrize("n_tasks", [0, 1, 5, MOST_ACTIVE])
@pytest.mark.parametrize("n", [0, 6])
def test_few_studies_are_all_asked(n_tasks: int, n: int) -> None:
    rng = np.random.default_rng(1)
    Z, y = rng.standard_normal((n, n_tasks)), rng.standard_normal(n)
    active = active_tasks(uniform_weights(max(n_tasks, 1))[:n_tasks], Z, y)
    assert active.tolist() == list(range(n_tasks))


def agreeing(n_tasks: int, n: int = 12) -> tuple[Array, Array, set[int]]:
    """Studies of which every fifth agrees with y and every fifth contradicts it."""
    rng = np.random.default_rng(2)
    y = rng.standard_normal(n)
    Z = rng.standard_normal((n, n_tasks))
    good = np.arange(n_tasks) % 5 == 3
    Z[:, good] = 3.0 * y[:, None] - 7.0 + 0.2 * Z[:, good]
    bad = np.arange(n_tasks) % 5 == 4
    Z[:, bad] = 0.02 * Z[:, bad] - y[:, None]
    return Z, y, set(np.flatnonzero(good).tolist())


def test_of_many_studies_those_that_agree_are_asked() -> None:
    n_tasks = 5 * MOST_ACTIVE
    Z, y, good = agreeing(n_tasks)
    active = active_tasks(uniform_weights(n_tasks), Z, y)
    assert set(active.tolist()) == good and (np.diff(active) > 0).all()


def test_before_there_is_evidence_the_heaviest_are_asked() -> None:
    n_tasks = 3 * MOST_ACTIVE
    rng = np.random.default_rng(3)
    weights = rng.permutation(np.arange(1.0, n_tasks + 1.0))
    weights /= weights.sum()
    heaviest = sorted(np.argsort(-weights)[:MOST_ACTIVE].tolist())
    for y in (np.zeros(0), np.array([0.3, 1.0]), np.zeros(7)):
        Z = rng.standard_normal((len(y), n_tasks))
        assert active_tasks(weights, Z, y).tolist() == heaviest


def test_ties_do_not_favour_the_first_studies() -> None:
    n_tasks = 10 * MOST_ACTIVE
    active = active_tasks(uniform_weights(n_tasks), np.zeros((0, n_tasks)), np.zeros(0))
    assert len(set(active.tolist())) == MOST_ACTIVE
    assert abs(active.mean() / n_tasks - 0.5) < 0.1
    again = active_tasks(uniform_weights(n_tasks), np.zeros((0, n_tasks)), np.zeros(0))
    assert active.tolist() == again.tolist()


def test_the_order_of_trials_and_of_studies_is_immaterial() -> None:
    n_tasks = 5 * MOST_ACTIVE
    Z, y, _ = agreeing(n_tasks)
    Z += 0.5 * np.random.default_rng(4).standard_normal(Z.shape)  # No two agree alike.
    weights = np.random.default_rng(5).uniform(0.5, 1.0, n_tasks)
    expected = active_tasks(weights, Z, y)
    trials = np.random.default_rng(6).permutation(len(y))
    assert active_tasks(weights, Z[trials], y[trials]).tolist() == expected.tolist()
    tasks = np.random.default_rng(7).permutation(n_tasks)
    renamed = active_tasks(weights[tasks], Z[:, tasks], y)
    assert sorted(tasks[renamed].tolist()) == expected.tolist()


def test_shift_and_scale_of_the_values_are_immaterial() -> None:
    n_tasks = 2 * MOST_ACTIVE
    Z, y, _ = agreeing(n_tasks)
    expected = active_tasks(uniform_weights(n_tasks), Z, y).tolist()
    assert active_tasks(uniform_weights(n_tasks), Z, 1e3 * y - 5.0).tolist() == expected
    assert active_tasks(uniform_weights(n_tasks), 2.0 * Z + 1.0, y).tolist() == expected


def scaled(space: Space, *configurations: dict[str, object]) -> Array:
    """Designs of configurations in length scales of the prior studies."""
    base_models = BaseModels(FITTED, space)
    X = base_models.inputs(space.rows(list(configurations))).X
    return X * base_models.scales(X, np.zeros(len(X))).prior


def test_a_narrower_range_has_longer_length_scales() -> None:
    """Two configurations are as far apart, whatever the range that they are encoded in."""
    narrow = Space((Dimension("c", choices=("b", "a")), Dimension("x", 0.5, 1.0), Dimension("y")))
    pair = {"c": "a", "x": 0.6, "y": 0.1}, {"c": "b", "x": 0.9, "y": 0.3}
    apart = [np.linalg.norm(np.subtract(*scaled(space, *pair))) for space in (narrow, CUBE)]
    assert apart[0] == pytest.approx(apart[1])


def test_expectations_are_those_of_the_same_configurations() -> None:
    target = Space(
        (Dimension("y", 0.0, 0.5), Dimension("c", choices=("b", "new", "a")), Dimension("x"))
    )
    configurations = [
        {"y": 0.1, "c": "a", "x": 0.3},
        {"y": 0.4, "c": "b", "x": 0.9},
        {"y": 0.2, "c": "new", "x": 0.5},
        {"y": 0.2, "x": 0.5},
    ]
    base_models = BaseModels(FITTED, target)
    rows = target.rows(configurations)
    Z = base_models.expectations(rows)
    np.testing.assert_allclose(Z, FITTED.predict(CUBE.rows(configurations)), rtol=1e-9)
    both = base_models.inputs(rows)
    np.testing.assert_array_equal(both.Z, Z)
    np.testing.assert_array_equal(both.X, design(rows, target))


def test_what_the_target_lacks_is_filled_and_what_it_adds_is_ignored() -> None:
    target = Space((Dimension("added"), Dimension("x", 0.0, 2.0)))
    rows = target.rows([{"added": 0.0, "x": 1.2}, {"added": 1.0, "x": 1.2}])
    Z = BaseModels(FITTED, target).expectations(rows)
    np.testing.assert_array_equal(Z[0], Z[1])
    absent = np.array([True, False, True])
    expected = FITTED.predict(CUBE.rows([{"x": 1.2}]), absent)
    np.testing.assert_allclose(Z[:1], expected, rtol=1e-10)
    assert np.isfinite(
        BaseModels(FITTED, Space((Dimension("added"),))).expectations(rows[:, :1])
    ).all()


def test_without_prior_studies_there_are_scales_and_no_expectations() -> None:
    base_models = BaseModels(fit_prior(Prior()), CUBE)
    rows = CUBE.rows([{"c": "a", "x": 1.0, "y": 0.5}, {"c": "b", "x": 0.0, "y": 0.1}])
    assert base_models.inputs(rows).Z.shape == (2, 0)
    scales = base_models.scales(base_models.inputs(rows).X, np.array([0.0, 1.0]))
    assert (scales.prior > 0.0).all() and (scales.own > 0.0).all()
