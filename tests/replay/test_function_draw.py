"""Functions drawn from a model after its trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optuna_meta.replay.function_draw import draw_function
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.kernel import Scales
from optuna_meta.surrogate.mixture_gp import condition
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import MixtureGP


SCALES = Scales(np.array([2.0]), np.array([3.0]))


def inputs(x: np.ndarray) -> Inputs:
    return Inputs(np.column_stack([x, np.sin(5.0 * x)]), x[:, None])


def mixture(component: Component, x: np.ndarray, y: np.ndarray) -> MixtureGP:
    return condition([component], inputs(x), y, np.array([0.6, 0.4]), SCALES)


def test_draws_have_the_models_mean_and_spread() -> None:
    """For a component of either kind: one that follows the prior studies, and a cold one."""
    x, y = np.array([0.1, 0.5, 0.8, 0.9]), np.array([1.0, -0.5, 0.2, 0.7])
    there = inputs(np.array([0.0, 0.3, 0.5, 1.0]))
    for component in (
        Component(1.0, 0.7, 0.4, 0.1),
        Component(0.0, 0.0, 1.0, 0.1, target_scales=True, stretch=2.0),
    ):
        model = mixture(component, x, y)
        rng = np.random.default_rng(0)
        drawn = np.array([draw_function(model, y, rng)(there) for _ in range(1500)])
        mean, deviation = model.predict(there).moments()
        np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.1 * deviation.max())
        np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.1)


def test_without_noise_a_draw_goes_through_the_trials() -> None:
    x, y = np.array([0.1, 0.5, 0.8]), np.array([1.0, -0.5, 0.2])
    model = mixture(Component(1.0, 0.5, 0.6, 1e-4), x, y)
    draw = draw_function(model, y, np.random.default_rng(0))
    np.testing.assert_allclose(draw(inputs(x)), y, atol=1e-2)


def test_components_are_drawn_by_their_weights() -> None:
    x, y = np.array([0.1, 0.5, 0.8]), np.array([1.0, -0.5, 0.2])
    kinds = [Component(1.0, 0.5, 0.6, 0.1), Component(0.0, 0.0, 1.0, 0.1)]
    model = condition(kinds, inputs(x), y, np.array([0.6, 0.4]), SCALES)
    model = replace(model, weights=np.array([0.25, 0.75]))
    rng = np.random.default_rng(0)
    cold = [not draw_function(model, y, rng).component.transfers for _ in range(300)]
    assert abs(np.mean(cold) - 0.75) < 0.1
