from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.space.scale import scale_of
from optuna_meta.space.scale import scaled
from optuna_meta.space.scale import unscaled


LINEAR = {
    "a grid": range(1, 21),
    "tens": [10_000, 30_000, 50_000],
    "from zero": [0.0, 0.1, 0.2, 0.3, 0.4],
    "around zero": [-2, -1, 0, 1, 2],
    "towards one": [0.0, 0.5, 0.9, 0.99],
    "two": [1e-5, 1e-1],
    "two, one of them zero": [0, 5],
    "one": [7],
}
LOGARITHMIC = {
    "doubling": [16, 32, 64, 128],
    "decades": [1e-4, 1e-3, 1e-2, 1e-1],
    "decades and some": [0.001, 0.01, 0.1, 0.2, 0.3],
    "1-2-5": [1, 2, 5, 10, 20, 50],
    "two lists": [1000, 2000, 4000, 8000, 10_000, 16_000, 30_000, 32_000, 50_000],
}
THROUGH_ZERO = {
    "off, or decades": [0.0, 1e-5, 1e-4, 1e-3, 1e-2],
    "off, or doubling": [0, 16, 32, 64, 128],
    "both signs": [-100, -10, -1, 0, 1, 10, 100],
    "negative": [-100, -10, -1],
}


def kind_of(numbers: list[float]) -> str:
    log, unit = scale_of(np.array(numbers, dtype=float))
    return ("through zero" if unit else "logarithmic") if log else "linear"


@pytest.mark.parametrize("name", [*LINEAR, *LOGARITHMIC, *THROUGH_ZERO])
def test_spacing_tells_the_scale(name: str) -> None:
    kinds = {"linear": LINEAR, "logarithmic": LOGARITHMIC, "through zero": THROUGH_ZERO}
    expected, numbers = next((kind, of[name]) for kind, of in kinds.items() if name in of)
    assert kind_of(list(numbers)) == expected


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_the_scale_does_not_depend_on_the_unit_of_the_numbers(factor: float) -> None:
    for numbers in (*LINEAR.values(), *LOGARITHMIC.values(), THROUGH_ZERO["both signs"]):
        assert kind_of([n * factor for n in numbers]) == kind_of(list(numbers))


@pytest.mark.parametrize("numbers", THROUGH_ZERO.values(), ids=THROUGH_ZERO)
def test_places_through_zero_can_be_told_apart_and_read_back(numbers: list[float]) -> None:
    known = np.array(numbers, dtype=float)
    log, unit = scale_of(known)
    places = scaled(known, log, unit)
    assert (np.diff(places) / np.ptp(places) > 1e-3).all()
    np.testing.assert_allclose(unscaled(places, log, unit), known, rtol=1e-9)
    assert np.isfinite(unscaled(np.array([-1e9, 1e9]), log, unit)).all()


def test_zero_is_as_far_from_the_smallest_as_this_from_the_next() -> None:
    for numbers in (THROUGH_ZERO["off, or decades"], THROUGH_ZERO["both signs"]):
        known = np.array(numbers, dtype=float)
        gaps = np.diff(scaled(known, *scale_of(known)))
        assert gaps.max() < 1.05 * gaps.min()


def test_the_largest_numbers_have_places_through_zero() -> None:
    known = np.array([-1e300, -1.0, 0.0, 1.0, 1e300])
    log, unit = scale_of(known)
    places = scaled(known, log, unit)
    assert log and unit and np.isfinite(places).all()
    np.testing.assert_allclose(unscaled(places, log, unit), known, rtol=1e-9)
