from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from optuna_meta.features.interactions.events import Interactions
from optuna_meta.features.interactions.events import read_interactions


def same_partition(codes: np.ndarray, other: np.ndarray) -> bool:
    pairs = set(zip(codes.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(codes.tolist())) == len(set(other.tolist()))


NAMES = [
    [30, 10, 20, 10, 30],
    np.array([3e9, 1e9, 2e9, 1e9, 3e9]),
    np.array([300, 100, 200, 100, 300], dtype=np.uint64) + np.uint64(2**63),
    np.array([-(2**63), 2**63 - 1, 0, 2**63 - 1, -(2**63)]),
    np.array(["c", "a", "b", "a", "c"]),
    ["c", "a", "b", "a", "c"],
    pd.Series(["c", "a", "b", "a", "c"], dtype="category", index=[1] * 5),
    pd.Series(["c", "a", "b", "a", "c"], dtype="string"),
    torch.tensor([3, 1, 2, 1, 3]),
    ["c", 1, 2.5, 1, "c"],
    pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-01", "2024-01-03"]),
]


@pytest.mark.parametrize("names", NAMES)
def test_names_of_any_type_are_numbered_without_gaps(names: Any) -> None:
    events = read_interactions(Interactions(names, names))
    for codes in (events.users, events.items):
        assert same_partition(codes, np.array([2, 0, 1, 0, 2]))
        assert set(codes.tolist()) == {0, 1, 2}


def test_an_interaction_without_user_or_item_is_left_out() -> None:
    nan = float("nan")
    for users, items in [
        (["a", None, "b", "a"], ["x", "y", None, "y"]),
        ([1.0, nan, 2.0, 1.0], [3.0, 4.0, nan, 4.0]),
        (pd.Series([1, None, 2, 1], dtype="Int64"), pd.Series(["x", "y", pd.NA, "y"])),
    ]:
        events = read_interactions(Interactions(users, items, [1, 2, 3, 4], [5, 6, 7, 8]))
        assert same_partition(events.users, np.array([0, 0]))
        assert same_partition(events.items, np.array([0, 1]))
        assert events.ratings is not None and events.ratings.tolist() == [1, 4]
        assert events.times is not None and events.times.tolist() == [5, 8]


def test_ratings_and_times_of_any_type_are_numbers() -> None:
    times = pd.Series(pd.to_datetime(["2024-01-02", None, "2024-01-01"]))
    ratings = torch.tensor([1, 0, 1]) > 0
    events = read_interactions(Interactions(list("abc"), list("xyz"), ratings, times))
    assert events.ratings is not None and events.ratings.tolist() == [1, 0, 1]
    assert events.times is not None and np.isnan(events.times[1])
    assert events.times[0] > events.times[2]


@pytest.mark.parametrize(
    "columns", [([], []), ([1, 2], [1]), ([1], [1], [1, 2]), (np.eye(2), np.eye(2)), (1, 2)]
)
def test_columns_of_other_shapes_are_refused(columns: Any) -> None:
    with pytest.raises(ValueError, match="Interactions need columns .* of the same length"):
        Interactions(*columns)


@pytest.mark.parametrize("what", ["ratings", "times"])
def test_ratings_and_times_that_are_no_numbers_are_refused(what: str) -> None:
    with pytest.raises(ValueError, match=f"{what} must be numbers or dates"):
        read_interactions(Interactions([1, 2], [1, 2], **{what: ["good", "bad"]}))


def test_a_record_shows_no_data() -> None:
    assert repr(Interactions([1], [2])) == "Interactions()"
