from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import residual_scales
import optuna_meta.surrogate.reliability as reliability_module
from optuna_meta.surrogate.reliability import initial_trust
from optuna_meta.surrogate.reliability import Reliability
from optuna_meta.surrogate.reliability import reliability_of
from optuna_meta.surrogate.reliability import signal_weights


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


def trust_in(fitted: FittedPrior) -> float:
    return initial_trust(reliability_of(fitted))


def test_related_studies_are_trusted_more_than_shuffled_ones() -> None:
    for seed in range(3):
        related, shuffled = prior(6, 20, seed=seed), prior(6, 20, shuffled=True, seed=seed)
        trusts = trust_in(shuffled), trust_in(related)
        assert 0.0 < trusts[0] < 0.5 < 0.7 < trusts[1] < 1.0


def test_nobody_can_be_asked_about_one_study_or_none() -> None:
    assert trust_in(fit_prior(Prior(SPACE, ()))) == 0.0
    alone = trust_in(prior(1, 10))
    assert 0.5 < alone < 1.0


def test_studies_of_one_trial_tell_nothing() -> None:
    signal, informed = reliability_of(prior(3, 1))
    assert np.ptp(signal) < 1e-12 and signal[0] > 0.9  # As before any trial.
    np.testing.assert_allclose(informed, 0.5)


def test_more_studies_of_a_kind_are_surer() -> None:
    assert trust_in(prior(8, 20)) > trust_in(prior(2, 20))


def test_studies_of_noise_among_good_ones_weigh_next_to_nothing() -> None:
    good, noise = prior(5, 30), prior(4, 30, shuffled=True, seed=1)
    others = tuple(replace(task, name=f"u{task.name}") for task in noise.prior.tasks)
    mixed = reliability_of(fit_prior(Prior(SPACE, good.prior.tasks + others)))
    assert mixed.signal[:5].min() > 0.95 and mixed.signal[5:].max() < 0.5
    weights = signal_weights(mixed)
    assert weights[:5].sum() > 0.8 and weights.sum() == pytest.approx(1.0)
    # Nor do they cost the others their say.
    assert initial_trust(mixed) > 2.0 * trust_in(noise)


def test_of_few_trials_noise_weighs_less_than_what_others_know() -> None:
    """Ten shuffled values may well look like a function, but like no other study's."""
    space, weights = Space(tuple(map(Dimension, "abcd"))), []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = rng.random((5, 10, 4))
        values = np.sum((rows - 0.5) ** 2, axis=2)
        values[4] = rng.permutation(values[4])
        tasks = [Task(f"s{t}", *pair) for t, pair in enumerate(zip(rows, values, strict=True))]
        weights.append(signal_weights(reliability_of(fit_prior(Prior(space, tuple(tasks))))))
    good, noise = np.mean(weights, axis=0)[:4], np.mean(weights, axis=0)[4]
    assert noise < 0.75 * good.min()


def test_one_study_of_noise_is_found_too() -> None:
    assert trust_in(prior(1, 30, shuffled=True)) < 0.4 < 0.65 < trust_in(prior(1, 30))


def test_trust_is_the_share_of_informed_studies_among_those_that_are_no_noise() -> None:
    ones = np.ones(6)
    sure = Reliability(ones, np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0]))
    assert initial_trust(sure) == pytest.approx((4.0 + 4 * 0.8) / 10.0)
    half_noise = Reliability(np.repeat([1.0, 0.0], 3), np.repeat([1.0, 0.0], 3))
    assert initial_trust(half_noise) == pytest.approx((3.0 + 4 * 0.8) / 7.0, abs=2e-3)
    doubtful = Reliability(0.25 * ones, ones)
    assert initial_trust(doubtful) == pytest.approx(0.25 * (1.5 + 4 * 0.8) / 5.5)
    np.testing.assert_allclose(signal_weights(Reliability(0.0 * ones, ones)), ones / 6)


def test_of_many_studies_an_even_spread_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability_module, "_MOST_STUDIES", 3)
    fitted = prior(7, 12)
    few, all_of_them = reliability_of(fitted.select(np.array([0, 3, 6]))), reliability_of(fitted)
    for answers, asked in zip(all_of_them, few, strict=True):
        np.testing.assert_allclose(answers[[0, 3, 6]], asked)
        np.testing.assert_allclose(answers[[1, 2, 4, 5]], asked.mean())
    assert initial_trust(all_of_them) == pytest.approx(initial_trust(few), abs=1e-3)


def with_precisions(precisions: Array) -> FittedPrior:
    fitted = prior(len(precisions), 3)
    object.__setattr__(fitted.parameters, "precisions", precisions)
    return fitted


def test_typical_precisions_are_medians_of_the_studies_that_tuned() -> None:
    fitted = with_precisions(np.array([[1.0, 0.0], [5.0, 2.0], [2.0, 8.0]]))
    np.testing.assert_allclose(fitted.precisions(SPACE), [2.0, 5.0])
    nobody = with_precisions(np.array([[1.0, 0.0], [5.0, 0.0]]))
    np.testing.assert_allclose(nobody.precisions(SPACE), [3.0, 4.0])
    assert (fit_prior(Prior(SPACE, ())).precisions(SPACE) > 0.0).all()


def test_scales_are_roots_of_precisions_by_column() -> None:
    owners, precisions = np.array([0, 0, 1]), np.array([4.0, 9.0])
    scales = residual_scales(np.zeros((0, 3)), np.zeros(0), owners, precisions)
    np.testing.assert_allclose(scales.roots(of_target=False), [2.0, 2.0, 3.0])
    # Before any trial the target's own length scales are the same in each dimension.
    assert np.ptp(scales.roots(of_target=True)) == 0.0 and scales.roots(of_target=True)[0] > 0.0
    X = np.random.default_rng(0).random((20, 3))
    own = residual_scales(X, np.sin(6.0 * X[:, 2]), owners, precisions).roots(of_target=True)
    assert own[2] > 2.0 * own[0] == 2.0 * own[1]
