"""The threshold loses what it may, is careful without evidence, and learns from the target."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.pruning.risk import allowed_stake
from optuna_meta.pruning.risk import expected_loss
from optuna_meta.pruning.risk import Records
from optuna_meta.pruning.risk import stake


NONE = Records(np.zeros(0), 0)


def spread(n: int, low: float = 0.0005, high: float = 1.0) -> Records:
    return Records(np.geomspace(low, high, n), n)


def test_no_evidence_allows_nothing() -> None:
    assert allowed_stake([], NONE, 0.05) == 0.0
    assert allowed_stake([], Records(np.full(5, 0.9), 5), 0.05) == 0.0


def test_own_trials_alone_are_enough_once_they_are_many() -> None:
    assert allowed_stake([], Records(np.full(30, 0.9), 30), 0.05) > 0.0


@pytest.mark.parametrize("max_loss", [0.02, 0.05, 0.2])
def test_no_larger_share_is_lost_in_the_prior_studies(max_loss: float) -> None:
    prior = [spread(400) for _ in range(10)]
    allowed = allowed_stake(prior, NONE, max_loss)
    assert prior[0].lost(np.array([allowed]))[0] <= max_loss
    assert allowed > 0.0


def test_who_may_lose_more_stops_more() -> None:
    prior = [spread(40) for _ in range(10)]
    allowed = [allowed_stake(prior, NONE, loss) for loss in (0.01, 0.05, 0.1, 0.3)]
    assert allowed == sorted(allowed)
    assert allowed[0] < allowed[-1]


def test_records_of_the_target_that_would_be_lost_make_it_careful() -> None:
    prior = [Records(np.full(10, 0.5), 10) for _ in range(10)]
    assert 0.4 < allowed_stake(prior, NONE, 0.05) <= 0.5
    assert allowed_stake(prior, Records(np.full(5, 0.01), 5), 0.05) < 0.01


def test_prior_studies_that_disagree_are_outweighed_sooner() -> None:
    lost, kept = Records(np.full(10, 1e-6), 10), Records(np.full(10, 1.0), 10)
    own = Records(np.full(6, 1.0), 6)
    stakes = np.array([0.01])
    unlike = expected_loss(stakes, [lost, kept, kept, kept], own)
    half = Records(np.r_[1e-6, 1e-6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 10)
    assert unlike < expected_loss(stakes, [half] * 4, own)


def test_of_equal_chances_a_late_one_is_worth_more() -> None:
    found = stake(np.array([0.1, 0.1]), np.array([3, 35]))
    np.testing.assert_allclose(found, [0.2, 0.6])
