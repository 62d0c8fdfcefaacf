from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import rankdata

from optuna_meta.outcomes.transforms import finite_values
from optuna_meta.outcomes.transforms import log_slopes
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.outcomes.transforms import unwarp_objective
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.outcomes.transforms import warped_deviations


RNG = np.random.default_rng(0)
SAMPLES = {
    "normal": RNG.standard_normal(50),
    "ties": RNG.integers(0, 4, 50).astype(float),
    "heavy tail": RNG.standard_cauchy(50) * 1e12,
    "tiny": RNG.standard_normal(50) * 1e-300,
    "two": np.array([2.0, 1.0]),
    "one": np.array([3.0]),
    "constant": np.full(5, 7.0),
    "none": np.zeros(0),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_rank_normal_agrees_with_scipy(kind: str) -> None:
    values = SAMPLES[kind]
    expected = norm.ppf((rankdata(values) - 0.5) / max(len(values), 1))
    np.testing.assert_allclose(rank_normal(values), expected, atol=1e-12)


@pytest.mark.parametrize("kind", SAMPLES)
def test_rank_normal_sees_ranks_only(kind: str) -> None:
    ranks = rankdata(SAMPLES[kind])
    np.testing.assert_array_equal(rank_normal(SAMPLES[kind]), rank_normal(1e9 * ranks - 1e3))
    np.testing.assert_allclose(rank_normal(-ranks), -rank_normal(ranks), atol=1e-12)


def test_equal_values_are_all_average() -> None:
    assert (rank_normal(np.full(5, 7.0)) == 0.0).all()
    assert rank_normal(np.array([3.0])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, np.inf, 3.0, -np.inf], [1.0, 3.0, 3.0, 3.0]),
        ([np.inf, -np.inf], [0.0, 0.0]),
        ([], []),
    ],
)
def test_diverged_values_tie_with_the_worst(values: list[float], expected: list[float]) -> None:
    given = np.array(values)
    assert finite_values(given).tolist() == expected
    assert given.tolist() == values


@pytest.mark.parametrize("kind", SAMPLES)
def test_warp_keeps_the_order_and_standardises(kind: str) -> None:
    values = SAMPLES[kind]
    warped = warp_objective(values)
    assert np.isfinite(warped).all() and warped.shape == values.shape
    order = np.argsort(values, kind="stable")
    assert (np.diff(warped[order]) >= 0.0).all()
    if len(set(values.tolist())) > 1:
        assert warped.mean() == pytest.approx(0.0, abs=1e-12)
        assert warped.std() == pytest.approx(1.0)
    else:
        assert (warped == 0.0).all()


def test_warp_knows_neither_unit_nor_origin() -> None:
    values = SAMPLES["normal"]
    np.testing.assert_allclose(
        warp_objective(1e6 * values + 17.0), warp_objective(values), atol=1e-9
    )


@pytest.mark.parametrize("tail", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", [k for k, v in SAMPLES.items() if len(set(v.tolist())) > 1])
def test_warp_is_undone(kind: str, tail: float) -> None:
    values = SAMPLES[kind]
    back = unwarp_objective(values, warp_objective(values, tail), tail)
    np.testing.assert_allclose(back, values, rtol=1e-6, atol=1e-9 * np.abs(values).max())


@pytest.mark.parametrize("tail", [0.0, 0.5, 1.0])
def test_slopes_are_those_of_the_warp(tail: float) -> None:
    """Of the map that all values make, at a value more between them."""
    values = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    ends = warp_objective(values, tail) + np.array([[-1e-6], [1e-6]])
    below, above = (unwarp_objective(values, end, tail) for end in ends)
    assert log_slopes(values, tail) == pytest.approx(
        np.log(2e-6 / (above - below)).sum(), abs=1e-4
    )


def test_the_whole_range_as_unit_leaves_values_nearly_as_they_are() -> None:
    values = np.append(np.linspace(0.0, 0.1, 9), 50.0)
    short, long = warp_objective(values), warp_objective(values, 1.0)
    assert np.ptp(short[:9]) > 0.5 and np.ptp(long[:9]) < 0.01


def test_one_diverged_run_does_not_flatten_the_others() -> None:
    good = np.linspace(0.0, 1.0, 20)
    warped = warp_objective(np.append(good, 1e12))
    plain = np.append(good, 1e12)
    plain = (plain - plain.mean()) / plain.std()
    assert np.ptp(warped[:10]) > 0.1 and np.ptp(plain[:10]) < 1e-9


def test_signed_values_keep_their_sign_and_order() -> None:
    values = np.array([-1e300, -3.0, -1e-9, 0.0, 1e-9, 0.5, 2.0, 1e300])
    scaled = warp_constraint(values)
    assert ((scaled <= 0.0) == (values <= 0.0)).all()
    assert (np.diff(scaled) >= 0.0).all() and np.isfinite(scaled).all()
    # Feasible and infeasible are apart even where the constraint says no more than that.
    assert warp_constraint(np.array([0.0, 1.0])).tolist() == pytest.approx(
        [-0.25, np.arcsinh(1.0) + 0.25]
    )
    assert len(warp_constraint(np.zeros(0))) == 0


def test_signed_values_of_any_size_are_scaled_without_a_warning() -> None:
    scaled = warp_constraint(np.array([-1e300, -5e-324, 0.0, 5e-324, 5e-324, 5e-324, 1e300]))
    assert scaled.tolist() == pytest.approx(
        [-4.0, -np.arcsinh(1.0) - 0.25, -0.25, *[np.arcsinh(1.0) + 0.25] * 3, 4.0]
    )


@pytest.mark.parametrize("unit", [1e-6, 1e5])
def test_signed_values_do_not_depend_on_the_unit(unit: float) -> None:
    values = np.random.default_rng(0).normal(0.5, 2.0, 30)
    np.testing.assert_allclose(warp_constraint(unit * values), warp_constraint(values), rtol=1e-9)


def test_warped_values_are_led_back() -> None:
    values = np.array([3.0, -1.0, 0.5, 200.0, 7.0, 0.5]) * 1e-3
    np.testing.assert_allclose(unwarp_objective(values, warp_objective(values)), values)
    far = unwarp_objective(values, np.array([-1e9, 1e9]))
    assert np.isfinite(far).all() and far[0] < values.min() and far[1] > values.max() / 10


@pytest.mark.parametrize("tail", [0.0, 0.5, 1.0])
def test_deviations_are_warped_by_the_slope_where_they_are(tail: float) -> None:
    values = np.array([1.0, 2.0, 3.0, 5.0, 40.0])
    found = warped_deviations(values, np.full(5, 1e-6), tail)
    moved = np.log(found / 1e-6).sum()
    assert moved == pytest.approx(log_slopes(values, tail), abs=1e-3)
    assert (np.diff(found) <= 1e-12).all()  # The bad tail is drawn in.
    assert not warped_deviations(values, np.zeros(5), tail).any()
