"""What is expected of a configuration is what the prior studies' surrogates predict."""

from __future__ import annotations

import numpy as np

from optuna_meta import fit_prior
from optuna_meta import Prior
from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.expectation import expected_by_others
from tests.pruning.toys import prior
from tests.pruning.toys import study


def test_better_configurations_are_expected_to_be_better() -> None:
    expectation = Expectation(fit_prior(prior()))
    trials = sorted(study(12, 20).trials, key=lambda t: t.params["quality"])
    expected = [expectation.of(t) for t in trials]
    assert expected == sorted(expected, reverse=True)


def test_without_prior_studies_nothing_is_expected() -> None:
    assert Expectation(None).of(study(1).trials[0]) == 0.0


def test_a_prior_study_does_not_speak_of_itself() -> None:
    fitted = fit_prior(prior())
    task = fitted.prior.tasks[0]
    others = fitted.without([task.name]).predict(task.rows).mean(axis=1)
    np.testing.assert_allclose(expected_by_others(fitted, task), others)
    alone = fit_prior(Prior.from_studies([study(8)]))
    assert (expected_by_others(alone, alone.prior.tasks[0]) == 0.0).all()
