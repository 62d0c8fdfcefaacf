from __future__ import annotations

import io

import numpy as np
import optuna
import pytest
import torch

from optuna_meta import fit_prior
from optuna_meta import Prior
from optuna_meta._typing import Array
from optuna_meta.surrogate import base_fit as prior_fit
from optuna_meta.surrogate.base_fit import fit_prior_gps
from optuna_meta.surrogate.base_likelihood import PriorLikelihood
from optuna_meta.surrogate.kernel import default_precisions
from tests.surrogate.study_arrays import fit
from tests.surrogate.study_arrays import N_DIMS
from tests.surrogate.study_arrays import padded
from tests.surrogate.study_arrays import studies
from tests.surrogate.study_arrays import Study


def test_padding_does_not_change_the_fit() -> None:
    some = studies([6, 12])
    plain, wide = fit(some), fit(some, longest=20)
    np.testing.assert_allclose(wide.precisions, plain.precisions, rtol=1e-8)
    np.testing.assert_allclose(wide.amplitude, plain.amplitude, rtol=1e-8)
    np.testing.assert_allclose(wide.noise, plain.noise, rtol=1e-8)


def test_the_relevant_dimension_has_the_shortest_length_scale() -> None:
    parameters = fit(studies([40, 25, 30]))
    relevant, irrelevant = parameters.precisions[:, 1], parameters.precisions[:, [0, 2]]
    assert (relevant[:, None] > 2.0 * irrelevant).all()


def test_a_study_of_few_trials_borrows_length_scales() -> None:
    few = studies([3], seed=8)
    alone, together = fit(few).precisions[0], fit(few + studies([40, 40, 40])).precisions[0]
    assert together[1] / together[[0, 2]].max() > 1.5 * alone[1] / alone[[0, 2]].max()


def test_fitting_is_deterministic_and_indifferent_to_order_and_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = studies([8, 5, 12])
    first, second, reverse = fit(some), fit(some), fit(some[::-1])
    monkeypatch.setattr(prior_fit, "_BATCH", 2)
    batched = fit(some)
    for name in ("precisions", "amplitude", "noise"):
        expected = getattr(first, name)
        np.testing.assert_array_equal(getattr(second, name), expected)
        np.testing.assert_allclose(getattr(reverse, name)[::-1], expected, rtol=1e-7)
        np.testing.assert_allclose(getattr(batched, name), expected, rtol=1e-7)


def best_centre(log_precisions: Array, tuned: Array) -> Array:
    """The mean of what the studies tuned and the typical value, by inverse variances."""
    own, all_ = prior_fit._OWN_SPREAD**-2, prior_fit._CENTRE_SPREAD**-2
    total = all_ * np.log(default_precisions(N_DIMS)) + own * (log_precisions * tuned).sum(0)
    mean: Array = total / (all_ + own * tuned.sum(0))
    return mean


def negative_log_posterior(some: list[Study], theta: Array) -> float:
    """Of log hyperparameters (T, D + 2), the centre at its best."""
    tuned = np.ones((len(some), N_DIMS), dtype=bool)
    likelihood = PriorLikelihood.of(padded(some, tuned), "cpu")
    logs = torch.as_tensor(theta)
    centre = torch.as_tensor(best_centre(theta[:, :N_DIMS], 1.0 * tuned))
    mean, weights = prior_fit._beliefs(centre)
    penalty = 0.5 * torch.sum(weights * (logs - mean) ** 2)
    typical = torch.as_tensor(np.log(default_precisions(N_DIMS)))
    spread = prior_fit._CENTRE_SPREAD
    penalty += 0.5 * torch.sum(((centre - typical) / spread) ** 2)
    return float(likelihood(logs)[0].sum() + penalty)


def log_hyperparameters(some: list[Study]) -> Array:
    parameters = fit(some)
    rest = (parameters.amplitude, parameters.noise - 1e-4)
    return np.log(np.column_stack([parameters.precisions, *rest]))


def test_the_fit_is_close_to_a_maximum() -> None:
    some = studies([15, 10, 40])
    theta = log_hyperparameters(some)
    best = negative_log_posterior(some, theta)
    for t, p in np.ndindex(theta.shape):
        for shift in (-0.3, 0.3):
            moved = theta.copy()
            moved[t, p] += shift
            assert negative_log_posterior(some, moved) > best - 1e-3
    for p in range(N_DIMS):  # All studies together, which the centre follows.
        for shift in (-0.3, 0.3):
            moved = theta.copy()
            moved[:, p] += shift
            assert negative_log_posterior(some, moved) > best - 1e-3


def test_more_steps_gain_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    some = studies([30, 25, 3, 1], seed=3)
    found = negative_log_posterior(some, log_hyperparameters(some))
    monkeypatch.setattr(prior_fit, "_STEPS", 100)
    converged = negative_log_posterior(some, log_hyperparameters(some))
    assert found < converged + 0.05 * len(some)


def test_studies_that_follow_others_end_where_more_steps_gain_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some, n_first, evaluated = studies([30, 25, 20] * 5, seed=3), 5, []
    call = PriorLikelihood.__call__

    def noted(self: PriorLikelihood, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        evaluated.append(len(theta))
        return call(self, theta)

    monkeypatch.setattr(prior_fit, "_SHARED", n_first)
    with monkeypatch.context() as patched:
        patched.setattr(PriorLikelihood, "__call__", noted)
        found = log_hyperparameters(some)
    all_steps = prior_fit._STEPS + 1
    assert 2 * (sum(evaluated) - n_first * all_steps) < (len(some) - n_first) * all_steps
    monkeypatch.setattr(prior_fit, "_LEAST_PROMISE", -np.inf)
    longer = log_hyperparameters(some)
    assert not np.array_equal(found, longer)
    gained = negative_log_posterior(some, found) - negative_log_posterior(some, longer)
    assert gained < 0.02 * len(some)


def test_each_dimension_has_studies_that_find_its_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior_fit, "_SHARED", 3)
    tuned = np.zeros((30, 3), dtype=bool)
    tuned[:, 0], tuned[[7, 8], 1] = True, True
    assert np.flatnonzero(prior_fit._spread(tuned)).tolist() == [0, 7, 8, 10, 20]


def test_the_best_centre_of_given_studies_is_found_at_once_and_kept() -> None:
    rng = np.random.default_rng(0)
    logs, tuned = rng.standard_normal((4, N_DIMS)), 1.0 * (rng.random((4, N_DIMS)) < 0.7)
    tuned[:, 2] = 0.0
    start, arrays = torch.zeros(N_DIMS, dtype=torch.float64), map(torch.as_tensor, (logs, tuned))
    theta, is_tuned = arrays
    found = prior_fit._moved_centre(start, theta, torch.zeros_like(theta), is_tuned)
    np.testing.assert_allclose(found, best_centre(logs, tuned), atol=1e-12)
    assert found[2] == np.log(default_precisions(N_DIMS))[2]
    kept = prior_fit._moved_centre(found, theta, 0.1 * torch.ones_like(theta), is_tuned)
    np.testing.assert_allclose(kept, found, atol=1e-12)


def test_the_centre_foresees_how_the_studies_follow() -> None:
    # Likelihoods h (theta - a)^2 / 2: the studies' best for a centre c is a mean of a and c.
    rng, weight = np.random.default_rng(2), prior_fit._OWN_SPREAD**-2
    h, a = weight * (1.0 + rng.random((5, N_DIMS))), rng.standard_normal((5, N_DIMS))
    centre, ones = np.zeros(N_DIMS), np.ones((5, N_DIMS))
    theta = (h * a + weight * centre) / (h + weight)
    tensors = (torch.as_tensor(array) for array in (centre, theta, 1.0 / (h + weight), ones))
    found = prior_fit._moved_centre(*tensors).numpy()
    followed = (h * a + weight * found) / (h + weight)
    np.testing.assert_allclose(best_centre(followed, ones), found, atol=1e-12)


def test_the_inverse_hessian_of_a_quadratic_is_found_in_as_many_steps_as_dimensions() -> None:
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((2, 4, 4))
    hessians = torch.as_tensor(roots @ roots.transpose(0, 2, 1) + np.eye(4))
    inverse = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    # Steps that are conjugate under the Hessian: each teaches a direction of its own.
    _, vectors = torch.linalg.eigh(hessians)
    for k in range(4):
        step = vectors[:, :, k]
        inverse = prior_fit._updated(inverse, step, (hessians @ step[:, :, None])[:, :, 0])
    np.testing.assert_allclose(inverse @ hessians, np.stack([np.eye(4)] * 2), atol=1e-9)
    kept = prior_fit._updated(inverse, step, -step)
    np.testing.assert_array_equal(kept, inverse)


def test_a_long_study_beside_short_ones_is_fitted_as_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prior_fit, "_CENTRE_SPREAD", 1e-6)  # Nothing shared.
    monkeypatch.setattr(prior_fit, "_BATCH", 2)
    some = studies([60, 5, 7])
    together = fit(some)
    for t, one in enumerate(some):
        alone = fit([one])
        np.testing.assert_allclose(together.precisions[t], alone.precisions[0], rtol=1e-3)
        np.testing.assert_allclose(together.noise[t], alone.noise[0], rtol=1e-3)


def test_the_fit_takes_one_thread_and_gives_the_others_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, during = torch.get_num_threads(), []
    started = prior_fit._started

    def noted(*args: object) -> object:
        during.append(torch.get_num_threads())
        return started(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(prior_fit, "_started", noted)
    torch.set_num_threads(2)
    try:
        fit(studies([5]))
        assert torch.get_num_threads() == 2 and during == [1]
        monkeypatch.setattr(prior_fit, "_started", None)
        with pytest.raises(TypeError):
            fit(studies([5]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_neither_torchs_defaults_nor_its_modes_matter() -> None:
    some = studies([8, 5])
    expected = fit(some)
    torch.set_default_device("meta")
    try:
        with torch.inference_mode():
            found = fit(some)
    finally:
        torch.set_default_device("cpu")
    np.testing.assert_array_equal(found.precisions, expected.precisions)


def test_the_device_is_used() -> None:
    tuned = np.ones((1, N_DIMS), dtype=bool)
    data = padded(studies([5]), tuned)
    with pytest.raises(RuntimeError, match="nowhere"):
        fit_prior_gps(data, device="nowhere")
    here = fit_prior_gps(data, device=torch.device("cpu"))
    np.testing.assert_array_equal(here.noise, fit_prior_gps(data).noise)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "seconds", "shown"),
    [(Terminal(), 0.0, True), (Terminal(), 60.0, False), (io.StringIO(), 0.0, False)],
)
def test_a_bar_is_shown_on_a_terminal_where_fitting_takes_long(
    stream: io.StringIO, seconds: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    prior = Prior.from_studies([study])
    monkeypatch.setattr("optuna_meta.surrogate.base_fit._SILENT_SECONDS", seconds)
    monkeypatch.setattr("sys.stderr", stream)
    fit_prior(prior)
    assert ("Fitting prior studies" in stream.getvalue()) == shown
