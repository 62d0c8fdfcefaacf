from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.features.image.intrinsic import participation_ratio
from optuna_meta.features.image.intrinsic import two_nn


def embed(points: np.ndarray, width: int) -> np.ndarray:
    """Turns points into a space of more dimensions, where distances stay as they are."""
    rng = np.random.default_rng(1)
    return points @ np.linalg.qr(rng.standard_normal((width, points.shape[1])))[0].T


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_dimension_of_a_uniform_cloud_is_found_in_a_larger_space(dimension: int) -> None:
    points = np.random.default_rng(0).random((1_000, dimension))
    expected = pytest.approx(dimension, rel=0.15)
    assert two_nn(points) == expected
    assert two_nn(embed(points, 20)) == pytest.approx(two_nn(points))


def test_a_curve_is_a_line() -> None:
    t = np.random.default_rng(0).random(800) * 6
    assert two_nn(np.column_stack([np.cos(t), np.sin(t), t])) == pytest.approx(1.0, abs=0.15)


def test_scale_and_copies_do_not_matter() -> None:
    points = np.random.default_rng(0).random((200, 3))
    expected = pytest.approx(two_nn(points))
    assert two_nn(points * 1e-6) == expected
    assert two_nn(np.repeat(points, 3, axis=0)) == expected


def test_too_few_points_have_no_dimension() -> None:
    assert np.isnan(two_nn(np.zeros((50, 3))))
    assert np.isnan(two_nn(np.eye(9)))
    assert np.isnan(two_nn(np.empty((0, 2))))


def test_a_grid_has_at_most_as_many_dimensions_as_its_space() -> None:
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1).reshape(-1, 2)
    assert not two_nn(grid + 1e-9 * np.random.default_rng(0).random(grid.shape)) > 2


@pytest.mark.parametrize("shape", [(2_000, 4), (40, 100)])
def test_participation_is_that_of_the_components_variances(shape: tuple[int, int]) -> None:
    points = np.random.default_rng(0).standard_normal(shape) * np.arange(1, shape[1] + 1)
    variances = np.linalg.eigvalsh(np.cov(points.T))
    expected = variances.sum() ** 2 / (variances**2).sum()
    assert participation_ratio(points) == pytest.approx(expected)


def test_equal_variances_participate_equally() -> None:
    corners = np.vstack([np.eye(6), -np.eye(6)])
    assert participation_ratio(corners) == pytest.approx(6)
    assert participation_ratio(embed(corners, 9)) == pytest.approx(6)
    assert np.isnan(participation_ratio(np.ones((5, 2))))
