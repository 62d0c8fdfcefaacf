"""A share of ``python -m tests.fuzz``, and what it has found."""

from __future__ import annotations

from typing import Any
import warnings

import optuna
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_meta import MetaSampler
from optuna_meta.space.dimension import Dimension
from tests import fuzz
from tests.toys import bowl
from tests.toys import bowl_prior


def test_odd_priors_and_targets_do_no_harm() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's, of the odd ranges that are made.
        fuzz.run(100, 0)


def test_a_fault_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dimension, "cells", lambda self, numbers: numbers / 0.0)
    with warnings.catch_warnings(), pytest.raises((AssertionError, RuntimeWarning)):
        warnings.simplefilter("ignore")
        fuzz.run(30, 0, shrink=False)


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(-1.7e308, 1.7e308),
        FloatDistribution(-1e300, 1e200),
        FloatDistribution(5e-324, 1.7e308, log=True),
        FloatDistribution(1e16, 1e16 + 64, step=2.0),
        FloatDistribution(1e16, 2e16, step=1e-3),
        IntDistribution(2**53, 2**53 + 10),
        IntDistribution(2**53 + 1, 1189264724317304576),
        IntDistribution(-(2**70), 2**70, step=2**54),
        IntDistribution(1, 10**300, log=True),
    ],
)
def test_values_of_extreme_ranges_stay_in_them(
    distribution: FloatDistribution | IntDistribution,
) -> None:
    dimension = Dimension.from_distribution("x", distribution)
    ends = dimension.encode([distribution.low, distribution.high])
    # A range of neighbouring large integers may be one float.
    assert ends.tolist() in ([0.0, 1.0], [0.0, 0.0])
    assert dimension.value(0.0) == distribution.low and dimension.value(1.0) == distribution.high
    for cell in dimension.snap(ends[0] + 0.25 * (1.0 + ends[1:])):
        value = dimension.value(cell)
        assert distribution.low <= value <= distribution.high
        assert type(value) is type(distribution.low)


def test_numbers_far_out_of_a_range_have_cells_that_can_be_squared() -> None:
    cells = Dimension("x", 0.0, 1e-200).encode([1e300, -1e300, 0.5e-200])
    assert cells.tolist() == [1e9, -1e9, 0.5]


def test_values_as_far_apart_as_floats_can_be_are_planned_by(logged: Any) -> None:
    study = optuna.create_study(sampler=MetaSampler(prior_studies=bowl_prior(), seed=0))
    for value in [1.7e308, -1.7e308, 0.0, 1e-308, -1e308]:
        trial = study.ask()
        bowl()(trial)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            study.tell(trial, value)
    assert [r.getMessage() for r in logged.records if "failed" in r.getMessage()] == []
