"""The scale on which numbers lie evenly: linear, logarithmic, or logarithmic through zero."""

from __future__ import annotations

import math

import numpy as np

from optuna_meta._typing import Array


__all__ = ["scale_of", "scaled", "unit_of", "unscaled"]

_LARGEST_LOG = 700.0  # Of a float.


def scale_of(numbers: Array) -> tuple[bool, float]:
    """Find the scale of a list of different numbers, as whether it is logarithmic and its unit.

    Whoever writes down 16, 32, 64 or 0.001, 0.01, 0.1 says by their spacing on which scale they
    are alike. Were they drawn evenly from a range, the product of the spacings, as shares of it,
    would be the larger the truer the scale (maximum spacing estimation, Ranneby 1984).

    Args:
        numbers: At least one, ascending.  # (k,)

    Returns:
        Whether the scale is logarithmic, and its unit: 0 but where it goes through zero.
    """
    log, unit = True, 0.0 if numbers[0] > 0.0 else unit_of(numbers)
    if numbers[0] <= 0.0 and not unit:
        return False, 0.0
    is_log = _evenness(scaled(numbers, log, unit)) > _evenness(numbers)
    return (log, unit) if is_log else (False, 0.0)


def unit_of(numbers: Array) -> float:
    """Return the unit of a logarithm through zero: as far below the smallest magnitude as others.

    Zero is then about as far from the smallest magnitude as this is from the next, on average.

    Args:
        numbers: Some numbers.  # (k,)

    Returns:
        The unit; 0 where fewer than two magnitudes show none.
    """
    magnitudes = np.unique(np.abs(numbers[numbers != 0.0]))
    if len(magnitudes) < 2:
        return 0.0
    smallest, largest = np.log(magnitudes[[0, -1]])
    return float(np.exp(smallest - (largest - smallest) / (len(magnitudes) - 1)))


def scaled(numbers: Array, log: bool, unit: float) -> Array:
    """Return numbers (any shape) on a scale, NaN or infinite for what has no place there."""
    if not log:
        return numbers
    if not unit:
        return np.asarray(np.log(numbers))
    half = 0.5 * np.abs(numbers)  # arcsinh of a quotient, which itself might overflow
    return np.asarray(np.sign(numbers) * (np.log(half + np.hypot(half, unit)) - math.log(unit)))


def unscaled(places: Array, log: bool, unit: float) -> Array:
    """Return the numbers (any shape) of places on a scale."""
    if not log:
        return places
    if unit:
        far = np.abs(places)  # 2 u sinh(p) = u e^p (1 - e^-2p), of which e^p might overflow
        sizes = np.exp(np.minimum(far + math.log(unit), _LARGEST_LOG)) * -np.expm1(-2.0 * far)
        return np.asarray(np.copysign(sizes, places))
    return np.asarray(np.exp(np.minimum(places, _LARGEST_LOG)))


def _evenness(places: Array) -> float:
    """Return the mean logarithm of the spacings of ascending places (k,), as shares of all."""
    spacings = np.diff(places)
    if not len(spacings) or not (spacings > 0.0).all():
        return -math.inf
    return float(np.mean(np.log(spacings / spacings.sum())))
