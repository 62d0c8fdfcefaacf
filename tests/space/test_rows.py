from __future__ import annotations

import itertools

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_meta._optuna import contains
from optuna_meta._typing import Array
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.rows import apart
from optuna_meta.space.rows import different
from optuna_meta.space.rows import enumerated
from optuna_meta.space.rows import fixed
from optuna_meta.space.rows import neighbours
from optuna_meta.space.rows import repeats_of
from optuna_meta.space.rows import squared_distances
from optuna_meta.space.rows import uniform
from optuna_meta.space.search_space import Space


DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "c": CategoricalDistribution(["a", "b", None]),
    "f": FloatDistribution(0.0, 0.3, step=0.1),
    "l": FloatDistribution(1e-4, 1.0, log=True),
    "n": IntDistribution(1, 9, step=4),
    "one": IntDistribution(3, 3),
    "x": FloatDistribution(-1.0, 1.0),
}
SPACE = Space.from_distributions(DISTRIBUTIONS)
FINITE = Space(tuple(d for d in SPACE.dimensions if d.name in ("c", "f", "n", "one")))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def assert_valid(rows: Array, space: Space = SPACE) -> None:
    """Every row is a whole configuration of values that the distributions contain."""
    for row in rows:
        params = space.params(row)
        assert set(params) == set(space.names)
        assert all(contains(DISTRIBUTIONS[name], value) for name, value in params.items())


def test_uniform_rows_are_valid_and_reach_every_choice() -> None:
    rows = uniform(300, SPACE, rng())
    assert rows.shape == (300, 6)
    assert_valid(rows)
    assert len(np.unique(rows[:, :2], axis=0)) == 3 * 4
    np.testing.assert_array_equal(rows, uniform(300, SPACE, rng()))
    assert uniform(3, Space(), rng()).shape == (3, 0)


def test_uniform_cells_of_a_continuum_are_uniform() -> None:
    cells = np.sort(uniform(4000, SPACE, rng())[:, SPACE.index("l")])
    assert np.abs(cells - np.linspace(0, 1, 4000)).max() < 1.63 / np.sqrt(4000)  # Kolmogorov, 1 %


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution([True, 1, "1", None]),
        CategoricalDistribution([50, 1, 2.5, 1000]),
        FloatDistribution(0.0, 0.3, step=0.1),
        IntDistribution(-2, 2),
        IntDistribution(1, 17, step=4),
        IntDistribution(5, 5),
        IntDistribution(1, 128, log=True),
    ],
    ids=repr,
)
def test_enumerating_one_dimension_gives_all_its_values(distribution: BaseDistribution) -> None:
    space = Space.from_distributions({"x": distribution})
    values = [space.params(row)["x"] for row in enumerated(space)]
    assert len(values) == space.size == len({(type(v), v) for v in values})
    assert all(contains(distribution, value) for value in values)


def test_enumerating_a_space_gives_the_product() -> None:
    values = [[d.value(c) for c in np.unique(enumerated(Space((d,))))] for d in FINITE.dimensions]
    expected = sorted(itertools.product(*values), key=repr)
    found = sorted((tuple(FINITE.params(r).values()) for r in enumerated(FINITE)), key=repr)
    assert len(found) == FINITE.size == 3 * 4 * 3 and found == expected
    assert enumerated(Space()).shape == (1, 0)


def test_neighbours_are_valid_and_near() -> None:
    start = uniform(1, SPACE, rng())
    rows = neighbours(start, 400, SPACE, rng())
    assert_valid(rows)
    changed = ~np.isclose(rows, start)
    assert 0.5 < changed.sum(axis=1).mean() < 3
    free = [SPACE.index(name) for name in ("c", "f", "l", "n", "x")]
    assert changed[:, free].any(axis=0).all()
    steps = np.abs(rows - start)[:, SPACE.index("x")]
    assert np.median(steps[steps > 0]) < 0.15


def test_neighbours_step_as_far_as_asked() -> None:
    start = np.where(np.isnan(uniform(1, SPACE, rng())), 0.5, 0.5 * np.ones((1, 6)))
    start[0, SPACE.index("c")] = 0.0
    x = SPACE.index("x")
    medians = []
    for steps in ((1e-4, 1e-3), (0.1, 0.3)):
        moves = np.abs(neighbours(start, 400, SPACE, rng(), steps)[:, x] - 0.5)
        medians.append(np.median(moves[moves > 0]))
    assert medians[0] < 1e-3 < 0.05 < medians[1]


def test_neighbours_of_a_number_on_a_list_are_mostly_those_beside_it() -> None:
    """However wide the gaps between them are."""
    space = Space.from_distributions({"x": CategoricalDistribution([1, 2, 3, 500, 8000, 9000])})
    for value, beside in ((1, {2}), (3, {2, 500}), (500, {3, 8000}), (9000, {8000})):
        rows = neighbours(space.rows([{"x": value}]), 300, space, rng())
        found = [space.params(row)["x"] for row in rows]
        near = [v for v in found if v in beside]
        assert set(near) == beside and len(near) > 0.6 * sum(v != value for v in found)


def test_numbers_on_a_list_are_drawn_as_often_as_each_other() -> None:
    space = Space.from_distributions({"x": CategoricalDistribution([1, 2, 3, 500, 9000])})
    _, counts = np.unique(uniform(2000, space, rng()), return_counts=True)
    assert len(counts) == 5 and counts.min() > 300


def test_neighbours_fill_what_is_inactive_or_unseen() -> None:
    start = np.full((1, 6), np.nan)
    start[0, SPACE.index("c")] = UNSEEN
    assert_valid(neighbours(start, 50, SPACE, rng()))


def test_neighbours_leave_their_start_alone() -> None:
    start = uniform(2, SPACE, rng())
    before = start.copy()
    neighbours(start, 50, SPACE, rng())
    np.testing.assert_array_equal(start, before)


def test_fixed_cells_overrule() -> None:
    rows = np.array([[0.1, 0.2], [0.3, 0.4]])
    np.testing.assert_array_equal(fixed(rows, np.array([np.nan, 0.9])), [[0.1, 0.9], [0.3, 0.9]])


def brute_force(rows: Array, trials: Array) -> list[bool]:
    """Whether a row agrees with a trial in all that the trial has."""

    def agrees(row: Array, trial: Array) -> bool:
        has = ~np.isnan(trial)
        return bool(has.any() and (np.abs(row[has] - trial[has]) < 1e-7).all())

    return [any(agrees(row, trial) for trial in trials) for row in rows]


@pytest.mark.parametrize("seed", range(5))
def test_repeats_agree_with_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = np.array([np.nan, -0.0, 0.0, 0.5, 1.0, UNSEEN])
    rows, trials = cells[random.integers(6, size=(60, 3))], cells[random.integers(6, size=(9, 3))]
    assert repeats_of(trials)(rows).tolist() == brute_force(rows, trials)
    assert not repeats_of(trials[:0])(rows).any() and len(repeats_of(trials)(rows[:0])) == 0


def test_a_trial_without_parameters_repeats_nothing() -> None:
    nothing = np.full((1, 2), np.nan)
    assert repeats_of(nothing)(np.zeros((1, 2))).tolist() == [False]


def test_rounding_makes_no_configuration_new() -> None:
    rows = np.array([[0.1 + 0.2], [0.3], [0.4]])
    assert repeats_of(np.array([[0.3]]))(rows).tolist() == [True, True, False]
    assert different(rows).tolist() == [0, 2] and len(different(rows[:0])) == 0


def test_rows_keep_their_distance_from_each_of_the_others() -> None:
    rows = uniform(200, SPACE, np.random.default_rng(0))
    others = uniform(4, SPACE, np.random.default_rng(1))
    radii = np.array([0.0, 0.6, 1.0, 1.4])
    each = [apart(rows, others[[k]], radii[[k]], SPACE) for k in range(4)]
    np.testing.assert_array_equal(apart(rows, others, radii, SPACE), np.all(each, axis=0))
    assert apart(rows, others[:0], radii[:0], SPACE).all()


def test_distances_are_the_sum_over_dimensions() -> None:
    """Another choice, or a parameter that one of the two does not have, is a range away."""
    rng = np.random.default_rng(0)
    rows = uniform(30, SPACE, rng)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    categorical = [d.is_categorical for d in SPACE.dimensions]
    assert any(categorical) and not all(categorical)

    def apart_by(a: float, b: float, is_choice: bool) -> float:
        if np.isnan(a) or np.isnan(b):
            return float(np.isnan(a) != np.isnan(b))
        return float(a != b) if is_choice else (a - b) ** 2

    expected = [
        [sum(map(apart_by, row, other, categorical)) for other in rows[:12]] for row in rows
    ]
    found = squared_distances(rows, rows[:12], SPACE)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (np.diag(found) == 0.0).all()
