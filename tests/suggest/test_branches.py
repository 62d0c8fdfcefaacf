from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optuna_meta.suggest.branches import Branch
from optuna_meta.suggest.branches import neglected_branch
from optuna_meta.suggest.branches import within
from optuna_meta.suggest.request import SuggestRequest
from tests.suggest.test_suggester import KINDS
from tests.suggest.test_suggester import MOMENTUM
from tests.suggest.test_suggester import request
from tests.suggest.test_suggester import rng
from tests.suggest.test_suggester import suggester


SGD, ADAM = Branch(0, 0.0), Branch(0, 1.0)  # The first one alone has a parameter of its own.


def asked(sgd: list[float], adam: list[float]) -> SuggestRequest:
    """A request after trials of two branches that came to these values."""
    cells = np.repeat([0.0, 1.0], [len(sgd), len(adam)])
    x = np.linspace(0.0, 1.0, len(cells))
    rows = np.column_stack([cells, np.where(cells == 0.0, 0.3, np.nan), x])
    return request(KINDS, rows, values=np.array([*sgd, *adam]), conditions=(MOMENTUM,))


def test_an_arm_has_its_first_trials_in_turn() -> None:
    assert neglected_branch(asked([2.0], [1.0] * 5)) == SGD
    assert neglected_branch(asked([2.0] * 3, [1.0] * 3)) is None
    assert neglected_branch(asked([2.0], [1.0] * 6)) is None, "every other trial is nobody's"
    assert neglected_branch(asked([1.0] * 7, [2.0])) is None, "no parameter of its own"


@pytest.mark.parametrize(("values", "expected"), [([9.0, 3.0, 6.0, 2.0], SGD), ([2.0] * 4, None)])
def test_later_claims_are_those_of_arms_that_may_hold_the_best(
    values: list[float], expected: Branch | None
) -> None:
    """Half of a fair share of 20 trials is 5."""
    assert neglected_branch(asked(values, np.linspace(1.0, 2.0, 16).tolist())) == expected


def test_a_claim_that_was_not_met_is_not_repeated_at_each_trial() -> None:
    met = [neglected_branch(asked([9.0, 3.0, 6.0, 2.0], [1.0] * n)) for n in (14, 16, 18)]
    assert met == [None, SGD, None]


def test_a_choice_that_nobody_has_tried_may_have_parameters() -> None:
    begun = asked([1.0, 1.1, 1.2, 1.3], [])
    assert neglected_branch(begun) == ADAM
    assert neglected_branch(begun, {"kind"}) is None, "prior studies have tried it"
    failed = np.array([[1.0, np.nan, 0.2]])
    assert neglected_branch(replace(begun, failed=failed)) == ADAM
    assert neglected_branch(replace(begun, failed=np.repeat(failed, 4, axis=0))) is None


def test_prior_studies_that_are_trusted_know_the_arms() -> None:
    begun = asked([2.0], [1.0, 1.2, 1.4, 1.6, 1.8])
    for n_tasks, expected in ((0, True), (3, False)):
        said = suggester(KINDS, n_tasks).suggest(begun, rng())
        assert said.is_of_branch == expected


def test_what_runs_and_what_failed_counts_and_given_cells_are_no_question() -> None:
    begun = asked([2.0, 2.1, 2.2], [1.0] * 5)
    row = np.array([[0.0, 0.1, 0.2]])
    assert neglected_branch(begun) == SGD
    assert neglected_branch(replace(begun, pending=row)) is None
    assert neglected_branch(replace(begun, failed=row)) is None
    assert neglected_branch(replace(begun, fixed=row[0])) is None
    assert neglected_branch(replace(begun, candidates=row)) is None


def test_a_turn_is_chosen_as_if_the_arm_were_all_there_is() -> None:
    begun = asked([2.0], [1.0, 1.2, 1.4, 1.6, 1.8])
    alone = within(begun, SGD)
    np.testing.assert_array_equal(alone.values[:, 0], [2.0])
    np.testing.assert_array_equal(alone.fixed, [0.0, np.nan, np.nan])
    assert len(alone.constraint_values) == 1

    said = suggester(KINDS, 0).suggest(begun, rng())
    assert said.row[0] == 0.0
    assert "turn" in said.reason
