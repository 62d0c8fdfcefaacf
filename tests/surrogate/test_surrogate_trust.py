from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.prior import Prior
from optuna_meta.prior import Task
from optuna_meta.space import Array
from optuna_meta.space import Dimension
from optuna_meta.space import Space
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.trust import initial_trust
from optuna_meta.surrogate.trust import residual_scales
from optuna_meta.surrogate.trust import typical_precisions


SPACE = Space((Dimension("a"), Dimension("b")))


def prior(n_tasks: int, n: int, shuffled: bool = False, seed: int = 0) -> FittedPrior:
    """Studies of almost the same bowl; shuffled ones have lost which value belongs where."""
    rng = np.random.default_rng(seed)
    tasks = []
    for t in range(n_tasks):
        rows = rng.random((n, 2))
        values = np.sum((rows - 0.4 - 0.05 * rng.standard_normal(2)) ** 2, axis=1)
        values = rng.permutation(values) if shuffled else values
        tasks.append(Task(f"t{t}", rows, values))
    return fit_prior(Prior(SPACE, tuple(tasks)))


def test_related_studies_are_trusted_more_than_shuffled_ones() -> None:
    for seed in range(3):
        related, shuffled = prior(6, 20, seed=seed), prior(6, 20, shuffled=True, seed=seed)
        trusts = initial_trust(shuffled), initial_trust(related)
        assert 0.0 < trusts[0] < 0.5 < 0.7 < trusts[1] < 1.0


def test_nobody_can_be_asked_about_one_study_or_none() -> None:
    assert initial_trust(fit_prior(Prior(SPACE, ()))) == 0.0
    alone = initial_trust(prior(1, 10))
    assert 0.5 < alone < 1.0
    assert initial_trust(prior(1, 10, shuffled=True)) == alone


def test_studies_of_one_trial_tell_nothing() -> None:
    few = initial_trust(prior(3, 1))
    assert few == pytest.approx((3 * 0.5 + 2 * initial_trust(prior(1, 1))) / 5)


def test_more_studies_of_a_kind_are_surer() -> None:
    assert initial_trust(prior(8, 20)) > initial_trust(prior(2, 20))


def with_precisions(precisions: Array) -> FittedPrior:
    fitted = prior(len(precisions), 3)
    object.__setattr__(fitted.parameters, "precisions", precisions)
    return fitted


def test_typical_precisions_are_medians_of_the_studies_that_tuned() -> None:
    fitted = with_precisions(np.array([[1.0, 0.0], [5.0, 2.0], [2.0, 8.0]]))
    np.testing.assert_allclose(typical_precisions(fitted), [2.0, 5.0])
    nobody = with_precisions(np.array([[1.0, 0.0], [5.0, 0.0]]))
    np.testing.assert_allclose(typical_precisions(nobody), [3.0, 4.0])
    assert (typical_precisions(fit_prior(Prior(SPACE, ()))) > 0.0).all()


def test_scales_are_roots_of_precisions_by_column() -> None:
    owners, precisions = np.array([0, 0, 1]), np.array([4.0, 9.0])
    scales = residual_scales(np.zeros((0, 3)), np.zeros(0), owners, precisions)
    np.testing.assert_allclose(scales.roots(own=False), [2.0, 2.0, 3.0])
    # Before any trial the target's own length scales are the same in each dimension.
    assert np.ptp(scales.roots(own=True)) == 0.0 and scales.roots(own=True)[0] > 0.0
    X = np.random.default_rng(0).random((20, 3))
    own = residual_scales(X, np.sin(6.0 * X[:, 2]), owners, precisions).roots(own=True)
    assert own[2] > 2.0 * own[0] == 2.0 * own[1]
