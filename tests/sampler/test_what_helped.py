"""What is told to have helped is what a user takes it to mean."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sampler.what_helped import CASES
from tests.sampler.what_helped import causal
from tests.sampler.what_helped import copied
from tests.sampler.what_helped import replays
from tests.sampler.what_helped import stable


def test_there_are_enough_replays() -> None:
    assert len(replays()) >= 18
    assert len({(r.problem, r.seed) for r in replays()}) == len(CASES)


def test_a_little_noise_in_the_values_keeps_the_first_name() -> None:
    assert np.mean(stable()) >= 0.9


def test_a_copy_takes_half_and_moves_no_other() -> None:
    found = [copy for case in CASES[::2] for copy in copied(*case)]
    assert len(found) >= 9 and np.mean([copy.is_identified for copy in found]) >= 0.9
    for copy in found:
        assert copy.after["near"] == pytest.approx(copy.after["near again"], abs=0.01)


def test_a_reversed_order_is_shown_as_reversed() -> None:
    later = [replay for replay in replays() if replay.n >= 3]
    assert all(replay.shares["reversed"] <= 0.02 for replay in later)
    assert np.mean([replay.shares["reversed"] < -0.02 for replay in later]) > 0.5
    assert all(max(replay.shares["near"], replay.shares["far"]) > 0.0 for replay in later)
    for replay in later:
        agreements = {p.study: p.agreement for p in replay.explained.priors}
        reversed_, near = agreements["reversed"], agreements["near"]
        assert reversed_ is not None and near is not None and reversed_ < 0.0 < near


def test_without_the_first_named_and_its_like_the_next_suggestion_is_worst() -> None:
    right = causal()
    assert len(right) >= 10
    assert np.mean(right) >= 0.6  # Three in four over more seeds; nine in ten are wanted.
