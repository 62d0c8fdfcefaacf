from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from optuna_meta.outcomes.pareto import is_on_front
from optuna_meta.suggest import hypervolume
from optuna_meta.suggest.expected_improvement import expected_improvement
from optuna_meta.suggest.hypervolume import free_boxes
from optuna_meta.suggest.hypervolume import log_hypervolume_improvement


Array = np.ndarray


def front_of(n: int, n_objectives: int, seed: int = 0) -> Array:
    """Points near a sphere around the worst corner, without those that others dominate."""
    rng = np.random.default_rng(seed)
    towards = np.abs(rng.standard_normal((n, n_objectives)))
    lengths = 0.9 + 0.1 * rng.random((n, 1))
    points = 1.0 - lengths * towards / np.linalg.norm(towards, axis=1, keepdims=True)
    return np.asarray(points[is_on_front(points)])


def candidates(front: Array, n: int, seed: int = 1) -> tuple[Array, Array]:
    """Means around a front and deviations from a hundredth to a third."""
    rng = np.random.default_rng(seed)
    means = front[rng.integers(len(front), size=n)] + 0.1 * rng.standard_normal(
        (n, front.shape[1])
    )
    return means, np.exp(rng.uniform(np.log(0.01), np.log(0.3), means.shape))


def improvement(means: Array, deviations: Array, front: Array, reference: Array) -> Array:
    return np.asarray(
        np.exp(log_hypervolume_improvement(means, deviations, free_boxes(front, reference)))
    )


@pytest.mark.parametrize("n_front", [0, 1, 60])
def test_of_two_objectives_it_is_the_integral(n_front: int) -> None:
    """Of P(f1 <= x) times the expected improvement of f2 over the front's height at x."""
    front, reference = front_of(max(n_front, 1), 2), np.full(2, 1.1)
    means, deviations = candidates(front, 12)
    front = front[:n_front]
    edges = np.unique([-3.0, *front[:, 0], 1.1])
    middles = (np.arange(400) + 0.5) / 400
    x = (edges[:-1, None] + np.diff(edges)[:, None] * middles).ravel()
    widths = np.repeat(np.diff(edges) / 400, 400)
    heights = np.array([front[front[:, 0] <= at, 1].min(initial=1.1) for at in x])
    integrand = norm.cdf((x - means[:, :1]) / deviations[:, :1]) * expected_improvement(
        means[:, 1:], deviations[:, 1:], heights
    )
    found = improvement(means, deviations, front, reference)
    np.testing.assert_allclose(found, integrand @ widths, rtol=2e-3)


@pytest.mark.parametrize("n_objectives", [2, 3, 4, 5])
@pytest.mark.parametrize("n_front", [0, 6])
def test_it_is_the_mean_over_what_may_come(n_objectives: int, n_front: int) -> None:
    front, reference = front_of(12, n_objectives), np.ones(n_objectives)
    means, deviations = candidates(front, 4)
    front, rng = front[:n_front], np.random.default_rng(2)
    points = rng.uniform(-0.5, 1.0, (20_000, n_objectives))
    free = ~(front[None] <= points[:, None]).all(axis=2).any(axis=1)
    chances = norm.cdf((points[:, None] - means) / deviations).prod(axis=2)  # To dominate each.
    expected = 1.5**n_objectives * (free[:, None] * chances).mean(axis=0)
    found = improvement(means, deviations, front, reference)
    np.testing.assert_allclose(found, expected, rtol=0.12, atol=2e-3)


@pytest.mark.parametrize("n_objectives", [2, 3, 4])
def test_boxes_are_disjoint_and_all_that_is_not_dominated(n_objectives: int) -> None:
    front, reference = front_of(20, n_objectives), np.full(n_objectives, 1.05)
    beyond = np.full((1, n_objectives), 1.2)  # It dominates nothing that counts.
    boxes = free_boxes(np.vstack([front, beyond]), reference)
    points = np.random.default_rng(0).uniform(0.0, 1.05, (2_000, n_objectives))
    sides = zip(boxes.edges, boxes.lower.T, boxes.upper.T, points.T, strict=True)
    inside = [(e[low] < x[:, None]) & (x[:, None] <= e[high]) for e, low, high, x in sides]
    free = ~(front[None] <= points[:, None]).all(axis=2).any(axis=1)
    assert np.all(inside, axis=0).sum(axis=1).tolist() == free.astype(int).tolist()


def test_boxes_of_three_objectives_are_few() -> None:
    front = front_of(150, 3)
    assert len(free_boxes(front, np.full(3, 1.1)).lower) <= 2 * len(front) + 1


@pytest.mark.parametrize(("n_objectives", "n_front"), [(4, 60), (5, 25)])
def test_of_four_and_more_the_error_is_small(
    n_objectives: int, n_front: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, reference = front_of(n_front, n_objectives), np.full(n_objectives, 1.1)
    means, deviations = candidates(front, 60)
    found = improvement(means, deviations, front, reference)
    monkeypatch.setattr(hypervolume, "_LEVELS", {n_objectives: 10_000})
    exact = improvement(means, deviations, front, reference)
    errors = np.abs(found / exact - 1.0)
    assert 0.0 < np.median(errors) < 0.05 and exact[found.argmax()] > 0.95 * exact.max()
    assert errors[exact > 0.1 * exact.max()].max() < 0.25


def test_candidates_of_no_hope_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = free_boxes(front_of(30, 2), np.full(2, 1.1))
    means, deviations = np.linspace(0.5, 3.0, 300)[:, None] + np.zeros(2), np.full((300, 2), 0.02)
    logs = log_hypervolume_improvement(means, deviations, boxes)
    assert np.isfinite(logs).all() and (np.diff(logs) < 0.0).all() and logs[-1] < -4000.0
    monkeypatch.setattr(hypervolume, "_LEAST", np.inf)  # All of them by logarithms.
    again = log_hypervolume_improvement(means, deviations, boxes)
    np.testing.assert_allclose(again, logs, atol=1e-9)


def test_certain_candidates_improve_by_what_they_dominate() -> None:
    front = np.array([[0.2, 0.6], [0.6, 0.2]])
    means, reference = np.array([[0.4, 0.4], [0.1, 0.1], [0.7, 0.7]]), np.ones(2)
    found = improvement(means, np.full((3, 2), 1e-9), front, reference)
    np.testing.assert_allclose(found, [0.04, 0.81 - 0.48, 0.0], atol=1e-8)
