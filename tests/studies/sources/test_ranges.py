from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_meta.studies.sources.ranges import as_choice
from optuna_meta.studies.sources.ranges import shown_range
from optuna_meta.studies.sources.ranges import told


@pytest.mark.parametrize(
    ("values", "distribution"),
    [
        ([0.1, 0.01, 0.001, 1e-4], FloatDistribution(1e-4, 0.1, log=True)),
        ([16, 32, 64, 512], IntDistribution(16, 512, log=True)),
        ([1, 2, 3, 30], IntDistribution(1, 30, log=True)),
        ([16, 32, 64, 128], IntDistribution(16, 128)),  # Only eight times apart.
        ([0.01, 0.3, 0.6, 0.9], FloatDistribution(0.01, 0.9)),
        ([0.0, 0.001, 0.1], FloatDistribution(0.0, 0.1)),
        ([2, 2.5], FloatDistribution(2, 2.5)),
        ([True, False], CategoricalDistribution([True, False])),
        (["a", None, 3], CategoricalDistribution(["a", None, 3])),
    ],
)
def test_values_show_their_range(values: list[Any], distribution: BaseDistribution) -> None:
    assert shown_range("x", values) == distribution


@pytest.mark.parametrize(("n", "most"), [(10, 0.06), (30, 0.02)])
def test_samples_of_a_linear_range_seldom_look_logarithmic(n: int, most: float) -> None:
    rng = np.random.default_rng(0)
    found = [shown_range("x", rng.uniform(0, 1, n).tolist()) for _ in range(300)]
    assert np.mean([getattr(d, "log", None) for d in found]) <= most


def test_samples_of_a_wide_logarithmic_range_look_so() -> None:
    rng = np.random.default_rng(0)
    found = [shown_range("x", np.exp(rng.uniform(0, 7, 10)).tolist()) for _ in range(300)]
    assert np.mean([getattr(d, "log", None) for d in found]) > 0.95


def test_a_text_is_the_choice_that_it_spells() -> None:
    choices = CategoricalDistribution(["auto", 0.5, None, True, "7"])
    texts = ["auto", "0.5", "None", "True", "7", "else", 0.5]
    assert [as_choice(choices, t) for t in texts] == ["auto", 0.5, None, True, "7", "else", 0.5]
    assert as_choice(FloatDistribution(0, 1), "0.5") == "0.5"


def test_ranges_are_told_in_words() -> None:
    assert told("lr", FloatDistribution(1e-4, 0.1, log=True)) == "lr 0.0001 to 0.1 (logarithmic)"
    assert told("n", IntDistribution(1, 8)) == "n 1 to 8"
    assert told("k", CategoricalDistribution(["a", 1])) == "k one of 'a', 1"
