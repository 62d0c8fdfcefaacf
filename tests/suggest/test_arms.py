from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optuna_meta._typing import Array
from optuna_meta.suggest.arms import Arm
from optuna_meta.suggest.arms import neglected_arm
from optuna_meta.suggest.arms import within
from optuna_meta.suggest.request import SuggestRequest
from tests.suggest.test_suggester import KINDS
from tests.suggest.test_suggester import MOMENTUM
from tests.suggest.test_suggester import request
from tests.suggest.test_suggester import rng
from tests.suggest.test_suggester import suggester


SGD, ADAM = Arm(0, 0.0), Arm(0, 1.0)


def asked(sgd: list[float], adam: list[float]) -> SuggestRequest:
    """A request after trials of two arms that came to these values."""
    cells = np.repeat([0.0, 1.0], [len(sgd), len(adam)])
    x = np.linspace(0.0, 1.0, len(cells))
    rows = np.column_stack([cells, np.where(cells == 0.0, 0.3, np.nan), x])
    return request(KINDS, rows, values=np.array([*sgd, *adam]), conditions=(MOMENTUM,))


def test_each_arm_has_its_first_trials_in_turn() -> None:
    assert neglected_arm(asked([1.0, 2.0], []), 1.0) == ADAM
    assert neglected_arm(asked([1.0], [2.0, 3.0, 4.0]), 1.0) == SGD
    assert neglected_arm(asked([1.0], [2.0]), 1.0) is None
    assert neglected_arm(asked([1.0, 1.1, 1.2, 1.3], [2.0] * 4), 1.0) is None


@pytest.mark.parametrize(("values", "expected"), [([9.0, 3.0, 6.0, 2.0], ADAM), ([2.0] * 4, None)])
def test_later_claims_are_those_of_arms_that_may_hold_the_best(
    values: list[float], expected: Arm | None
) -> None:
    """Half of a fair share of 20 trials is 5."""
    assert neglected_arm(asked(np.linspace(1.0, 2.0, 15).tolist(), values), 1.0) == expected


def test_a_claim_that_was_not_met_is_not_repeated_at_each_trial() -> None:
    met = [neglected_arm(asked([1.0] * n, [9.0, 3.0, 6.0, 2.0]), 1.0) for n in range(15, 20)]
    assert met == [ADAM, None, None, None, ADAM]


def test_prior_studies_that_are_trusted_know_the_arms() -> None:
    one_sided = asked([1.0] * 8, [])
    assert neglected_arm(one_sided, 1.0) == ADAM
    assert neglected_arm(one_sided, 0.2) is None


def test_what_runs_and_what_failed_counts_and_given_cells_are_no_question() -> None:
    begun = asked([1.0, 1.1], [2.0])
    row = np.array([[1.0, np.nan, 0.2]])
    assert neglected_arm(begun, 1.0) == ADAM
    assert neglected_arm(replace(begun, pending=row), 1.0) is None
    assert neglected_arm(replace(begun, failed=row), 1.0) is None
    assert neglected_arm(replace(begun, fixed=row[0]), 1.0) is None
    assert neglected_arm(replace(begun, candidates=row), 1.0) is None


def test_a_turn_is_chosen_as_if_the_arm_were_all_there_is() -> None:
    begun = asked([1.0, 1.1, 1.2, 1.3], [2.0, 5.0])
    alone = within(begun, ADAM)
    np.testing.assert_array_equal(alone.values[:, 0], [2.0, 5.0])
    np.testing.assert_array_equal(alone.fixed, [1.0, np.nan, np.nan])
    assert len(alone.constraint_values) == 2

    said = suggester(KINDS, 0).suggest(begun, rng())
    assert said.is_of_arm and _is_adam(said.row)
    assert "turn" in said.reason


def _is_adam(row: Array) -> bool:
    return bool(row[0] == 1.0 and np.isnan(row[1]))
