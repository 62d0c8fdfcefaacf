"""What each prior study helped, as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.suggest.shares import counted_once
from optuna_meta.suggest.shares import groups
from optuna_meta.suggest.shares import likeness
from optuna_meta.suggest.shares import shares_of


Z = np.random.default_rng(0).standard_normal((50, 3))
ALIKE = np.column_stack([Z, Z[:, 1] + 0.01 * Z[:, 0]])  # The last says what the second does.


def test_studies_that_say_the_same_are_one_group() -> None:
    assert groups(likeness(ALIKE), np.full(4, 0.25)).tolist() == [0, 1, 2, 1]
    assert groups(likeness(ALIKE), np.array([0.25, 0.2, 0.25, 0.3])).tolist() == [0, 3, 2, 3]


def test_a_study_that_expects_the_same_everywhere_is_like_no_other() -> None:
    alike = likeness(np.column_stack([Z, np.ones(50)]))
    assert groups(alike, np.full(4, 0.25)).tolist() == [0, 1, 2, 3]


def test_copies_count_once() -> None:
    once = counted_once(likeness(ALIKE), np.full(4, 0.25))
    np.testing.assert_allclose(once, [1 / 3, 1 / 6, 1 / 3, 1 / 6])
    assert counted_once(likeness(np.zeros((0, 0))), np.zeros(0)).shape == (0,)


def test_parts_are_shares_of_the_whole_advantage() -> None:
    firsts, weights = np.arange(3), np.full(3, 1 / 3)
    found = shares_of(np.array([0.5, 0.2, 0.3]), np.array([1.0, 1.0, -1.0]), 0.3, firsts, weights)
    np.testing.assert_allclose(found.signed, [0.5, 0.2, 0.0])
    assert found.order.tolist() == [0, 1, 2]


def test_what_is_used_in_reverse_is_negative() -> None:
    firsts, weights = np.arange(2), np.full(2, 0.5)
    found = shares_of(np.array([-0.5, 0.5]), np.array([-3.0, 1.0]), 0.0, firsts, weights)
    np.testing.assert_allclose(found.signed, [-0.75, 0.25])
    assert found.order[0] == 0


def test_a_group_shares_its_part_by_weight() -> None:
    firsts, weights = np.array([0, 1, 1]), np.array([0.4, 0.4, 0.2])
    found = shares_of(np.array([0.4, 0.5, 0.1]), np.ones(3), 0.0, firsts, weights)
    np.testing.assert_allclose(found.signed, [0.4, 0.4, 0.2])
    assert found.order.tolist() == [1, 2, 0], "the group's part is the larger one"


@pytest.mark.parametrize("own", [0.0, -1.0])
def test_nothing_helped_where_there_is_no_advantage(own: float) -> None:
    found = shares_of(np.ones(2), -np.ones(2), own, np.arange(2), np.full(2, 0.5))
    assert found.signed.tolist() == [0.0, 0.0]
