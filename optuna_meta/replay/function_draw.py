"""A function that the target may be, drawn from its model after its trials.

Of a component's process, a draw from before any trial (the residual by random Fourier features:
Rahimi and Recht, 2007) is corrected by what the trials showed of it (Matheron's rule: Wilson et
al., "Efficiently sampling functions from Gaussian process posteriors", 2020):

    f(x) = g(x) + k(x, X) Sigma^-1 (u y - g(X) - noise),
    g(x) = c + b m(x) + sum_t a_t C_t(x) + r(x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve

from optuna_meta._typing import Array
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.components import Posterior
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import squared_distances
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import MixtureGP


__all__ = ["FunctionDraw", "draw_function"]

_N_FEATURES = 512
_FREEDOM = 5.0  # Of the Student distribution that is the spectrum of Matern 5/2.


@dataclass(frozen=True)
class FunctionDraw:
    """One function of the configurations' inputs, in units of the values that were conditioned on.

    Args:
        component: The process that it was drawn from.
        observed: Inputs of the n trials.
        task_weights: w.  # (T,)
        roots: Inverse length scales of the residual.  # (W,)
        constant: c.
        by_task: a.  # (T,)
        frequencies: Of the features.  # (W, F)
        phases: Of the features.  # (F,)
        amplitudes: Of the features.  # (F,)
        correction: Sigma^-1 (u y - g(X) - noise).  # (n,)
        unit: u.
    """

    component: Component
    observed: Inputs
    task_weights: Array  # (T,)
    roots: Array  # (W,)
    constant: float
    by_task: Array  # (T,)
    frequencies: Array  # (W, F)
    phases: Array  # (F,)
    amplitudes: Array  # (F,)
    correction: Array  # (n,)
    unit: float

    def __call__(self, inputs: Inputs) -> Array:
        """Return the function's values.  # (M,)"""
        covariance = _covariance(
            self.component, inputs, self.observed, self.task_weights, self.roots
        )
        return np.asarray((self._before(inputs) + covariance @ self.correction) / self.unit)

    def _before(self, inputs: Inputs) -> Array:
        """Return g, the draw before any trial.  # (M,)"""
        C = _deviations(inputs.Z, self.task_weights)
        angles = (inputs.X * self.roots) @ self.frequencies + self.phases
        residual = np.cos(angles) @ self.amplitudes
        mean = self.constant + self.component.slope * inputs.Z @ self.task_weights
        return np.asarray(mean + C @ self.by_task + residual)


def draw_function(mixture: MixtureGP, y: Array, rng: np.random.Generator) -> FunctionDraw:
    """Draw a component by its probability, and of that a function.

    Args:
        mixture: The model after the trials, of which none is pending.
        y: Their values, as it was conditioned on.  # (n,)
        rng: Source of randomness.
    """
    p = mixture.posteriors[int(rng.choice(len(mixture.weights), p=mixture.weights))]
    h, observed, w = p.component, mixture.observed, mixture.task_weights
    roots = mixture.scales.roots(h.target_scales) / h.stretch
    scales = np.sqrt(rng.chisquare(_FREEDOM, _N_FEATURES) / _FREEDOM)
    size = h.residual * np.sqrt(2.0 / _N_FEATURES)
    before = FunctionDraw(
        h,
        observed,
        w,
        roots,
        p.constant + float(rng.standard_normal()) / np.sqrt(p.precision),
        h.deviation * rng.standard_normal(len(w)),
        rng.standard_normal((len(roots), _N_FEATURES)) / scales,
        rng.uniform(0.0, 2.0 * np.pi, _N_FEATURES),
        size * rng.standard_normal(_N_FEATURES),
        np.zeros(len(y)),
        p.unit,
    )
    return _corrected(before, p, y, rng)


def _corrected(
    draw: FunctionDraw, p: Posterior, y: Array, rng: np.random.Generator
) -> FunctionDraw:
    """Bring a draw from before any trial to what the trials showed."""
    noise = p.component.noise * rng.standard_normal(len(y))
    missing = p.unit * y - draw._before(draw.observed) - noise
    correction = cho_solve((p.cholesky, True), missing)
    return FunctionDraw(**{**vars(draw), "correction": np.asarray(correction)})


def _covariance(h: Component, a: Inputs, b: Inputs, w: Array, roots: Array) -> Array:
    """Return the covariance (n, m) of f without the constant and the noise."""
    correlation = matern52(squared_distances(a.X * roots, b.X * roots))
    products = _deviations(a.Z, w) @ _deviations(b.Z, w).T
    return np.asarray(h.residual**2 * correlation + h.deviation**2 * products)


def _deviations(Z: Array, w: Array) -> Array:
    return np.asarray(np.sqrt(w) * (Z - (Z @ w)[:, None]))
