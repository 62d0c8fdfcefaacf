from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Matern

from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import squared_distances


SPACE = Space(
    (
        Dimension("c", choices=("a", "b", "c")),
        Dimension("n", 1, 9, step=2.0, integer=True),
        Dimension("x"),
        Dimension("flag", choices=(True, False)),
    )
)


@pytest.mark.parametrize("length_scale", [0.2, 1.0, 5.0])
def test_matern_is_that_of_sklearn(length_scale: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((7, 3)), rng.random((5, 3))
    expected = Matern(length_scale, nu=2.5)(a, b)
    np.testing.assert_allclose(matern52(squared_distances(a, b) / length_scale**2), expected)


def test_matern_is_one_at_distance_zero_and_falls() -> None:
    correlation = matern52(np.linspace(0.0, 50.0, 200))
    assert correlation[0] == 1.0
    assert (np.diff(correlation) < 0.0).all() and correlation[-1] > 0.0


def test_squared_distances_are_those_of_scipy_and_never_negative() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 6, 4)), rng.random((2, 3, 4))
    for i in range(2):
        expected = cdist(a[i], b[i], "sqeuclidean")
        np.testing.assert_allclose(squared_distances(a, b)[i], expected, atol=1e-14)
    far = 1e6 + rng.random((20, 4))  # Where the expansion of the square loses all digits.
    assert (squared_distances(far, far) >= 0.0).all()


def test_every_column_has_an_owner() -> None:
    assert column_owners(SPACE).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert design(np.zeros((2, 4)), SPACE).shape == (2, 9)
    assert column_owners(Space()).shape == (0,)
    assert design(np.zeros((2, 0)), Space()).shape == (2, 0)


def by_dimension(a: dict[str, object], b: dict[str, object]) -> dict[str, float]:
    """Squared distance of two configurations, by dimension."""
    columns = design(SPACE.rows([a, b]), SPACE)
    squares = (columns[0] - columns[1]) ** 2
    owners = column_owners(SPACE)
    return {name: float(squares[owners == d].sum()) for d, name in enumerate(SPACE.names)}


def test_different_choices_are_as_far_apart_as_the_ends_of_a_range() -> None:
    a, b = {"c": "a", "x": 0.0, "flag": True}, {"c": "c", "x": 1.0, "flag": False}
    assert by_dimension(a, b) == pytest.approx({"c": 1.0, "n": 0.0, "x": 1.0, "flag": 1.0})
    assert by_dimension(a, a) == pytest.approx(dict.fromkeys(SPACE.names, 0.0))


@pytest.mark.parametrize("other", ["a", "b", "c"])
def test_inactive_and_unseen_choices_are_equally_far_from_all(other: str) -> None:
    assert by_dimension({"c": other}, {"c": NOTHING})["c"] == pytest.approx(0.5)
    assert by_dimension({"c": other}, {"c": "new"})["c"] == pytest.approx(0.5)
    assert by_dimension({"c": "new"}, {"c": NOTHING})["c"] == 0.0
    assert SPACE.row({"c": "new"})[0] == UNSEEN


@pytest.mark.parametrize("cell", [0.0, 0.3, 0.5, 1.0])
def test_an_inactive_number_stands_in_the_middle_and_apart(cell: float) -> None:
    expected = (cell - 0.5) ** 2 + 0.5
    assert by_dimension({"x": cell}, {})["x"] == pytest.approx(expected)
    assert by_dimension({}, {})["x"] == 0.0


def test_designs_are_finite_whatever_is_missing() -> None:
    rows = np.array([[np.nan] * 4, [UNSEEN, np.nan, -0.2, UNSEEN], [2.0, 1.0, 1.5, 0.0]])
    assert np.isfinite(design(rows, SPACE)).all()
