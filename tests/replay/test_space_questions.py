"""Questions as a space and its conditions ask them."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_meta.replay.space_questions import suggested_row
from optuna_meta.space.conditions import Condition
from optuna_meta.space.search_space import Space


SPACE = Space.from_distributions(
    {
        "depth": IntDistribution(1, 8, log=True),
        "kernel": CategoricalDistribution(["linear", "rbf"]),
        "gamma": FloatDistribution(1e-3, 1.0, log=True),
    }
)
ONLY_RBF = Condition(
    SPACE.index("gamma"), SPACE.index("kernel"), (0.0, 1.0), (False, True), ordered=False
)


def test_a_row_is_what_the_trial_was_asked_for() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    kinds = set()
    for _ in range(12):
        trial = study.ask()
        row = suggested_row(trial, SPACE, [ONLY_RBF])
        np.testing.assert_allclose(row, SPACE.row(trial.params))
        kinds.add((trial.params["kernel"], "gamma" in trial.params))
        study.tell(trial, 0.0)
    assert kinds == {("linear", False), ("rbf", True)}


def test_distributions_are_the_spaces() -> None:
    trial = optuna.create_study().ask()
    suggested_row(trial, SPACE, [])
    assert trial.distributions == {d.name: d.distribution() for d in SPACE.dimensions}
