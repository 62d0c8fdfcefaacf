from __future__ import annotations

import numpy as np
import pytest

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate import active as active_module
from optuna_meta.surrogate.active import active_tasks
from optuna_meta.surrogate.active import Expectations
from optuna_meta.surrogate.active import MOST_ACTIVE
from optuna_meta.surrogate.base_gps import PriorGPs
from optuna_meta.surrogate.fitted import fit_prior


def uniform_weights(n_tasks: int) -> Array:
    return np.full(n_tasks, 1.0 / n_tasks)


@pytest.mark.parametrize("n_tasks", [0, 1, 5, MOST_ACTIVE])
@pytest.mark.parametrize("n", [0, 6])
def test_few_studies_are_all_asked(n_tasks: int, n: int) -> None:
    rng = np.random.default_rng(1)
    Z, y = rng.standard_normal((n, n_tasks)), rng.standard_normal(n)
    active = active_tasks(uniform_weights(max(n_tasks, 1))[:n_tasks], Z, y)
    assert active.tolist() == list(range(n_tasks))


def agreeing(n_tasks: int, n: int = 12) -> tuple[Array, Array, set[int]]:
    """Studies of which every fifth agrees with y and every fifth contradicts it."""
    rng = np.random.default_rng(2)
    y = rng.standard_normal(n)
    Z = rng.standard_normal((n, n_tasks))
    good = np.arange(n_tasks) % 5 == 3
    Z[:, good] = 3.0 * y[:, None] - 7.0 + 0.2 * Z[:, good]
    bad = np.arange(n_tasks) % 5 == 4
    Z[:, bad] = 0.02 * Z[:, bad] - y[:, None]
    return Z, y, set(np.flatnonzero(good).tolist())


def test_of_many_studies_those_that_agree_are_asked() -> None:
    n_tasks = 5 * MOST_ACTIVE
    Z, y, good = agreeing(n_tasks)
    active = active_tasks(uniform_weights(n_tasks), Z, y)
    assert set(active.tolist()) == good and (np.diff(active) > 0).all()


def test_before_there_is_evidence_the_heaviest_are_asked() -> None:
    n_tasks = 3 * MOST_ACTIVE
    rng = np.random.default_rng(3)
    weights = rng.permutation(np.arange(1.0, n_tasks + 1.0))
    weights /= weights.sum()
    heaviest = sorted(np.argsort(-weights)[:MOST_ACTIVE].tolist())
    for y in (np.zeros(0), np.array([0.3, 1.0]), np.zeros(7)):
        Z = rng.standard_normal((len(y), n_tasks))
        assert active_tasks(weights, Z, y).tolist() == heaviest


def test_ties_do_not_favour_the_first_studies() -> None:
    n_tasks = 10 * MOST_ACTIVE
    active = active_tasks(uniform_weights(n_tasks), np.zeros((0, n_tasks)), np.zeros(0))
    assert len(set(active.tolist())) == MOST_ACTIVE
    assert abs(active.mean() / n_tasks - 0.5) < 0.1
    again = active_tasks(uniform_weights(n_tasks), np.zeros((0, n_tasks)), np.zeros(0))
    assert active.tolist() == again.tolist()


def test_the_order_of_trials_and_of_studies_is_immaterial() -> None:
    n_tasks = 5 * MOST_ACTIVE
    Z, y, _ = agreeing(n_tasks)
    Z += 0.5 * np.random.default_rng(4).standard_normal(Z.shape)  # No two agree alike.
    weights = np.random.default_rng(5).uniform(0.5, 1.0, n_tasks)
    expected = active_tasks(weights, Z, y)
    trials = np.random.default_rng(6).permutation(len(y))
    assert active_tasks(weights, Z[trials], y[trials]).tolist() == expected.tolist()
    tasks = np.random.default_rng(7).permutation(n_tasks)
    renamed = active_tasks(weights[tasks], Z[:, tasks], y)
    assert sorted(tasks[renamed].tolist()) == expected.tolist()


def test_shift_and_scale_of_the_values_are_immaterial() -> None:
    n_tasks = 2 * MOST_ACTIVE
    Z, y, _ = agreeing(n_tasks)
    expected = active_tasks(uniform_weights(n_tasks), Z, y).tolist()
    assert active_tasks(uniform_weights(n_tasks), Z, 1e3 * y - 5.0).tolist() == expected
    assert active_tasks(uniform_weights(n_tasks), 2.0 * Z + 1.0, y).tolist() == expected


SQUARE = Space((Dimension("a"), Dimension("b")))


def expectations(n_tasks: int) -> Expectations:
    rng = np.random.default_rng(8)
    centres, rows = rng.random((n_tasks, 1, 2)), rng.random((n_tasks, 4, 2))
    values = np.sum((rows - centres) ** 2, axis=2)
    tasks = [Task(f"t{t:03}", *pair) for t, pair in enumerate(zip(rows, values, strict=True))]
    return Expectations(fit_prior(Prior(SQUARE, tuple(tasks))), uniform_weights(n_tasks))


MANY = expectations(3 * MOST_ACTIVE)


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of how many studies each prediction was asked, about how many trials."""
    asked: list[tuple[int, int]] = []
    predict = PriorGPs.predict

    def counted(self: PriorGPs, designs: Array) -> Array:
        asked.append((len(self.mean), designs.shape[-2]))
        return predict(self, designs)

    monkeypatch.setattr(PriorGPs, "predict", counted)
    return asked


def test_trial_by_trial_the_same_studies_expect_the_same_as_at_once() -> None:
    rng = np.random.default_rng(9)
    rows, y = rng.random((8, 2)), rng.standard_normal(8)
    y[1:4] = y[0]  # At first no trial is better than another.
    step_by_step = MANY.copy()
    for n in range(9):
        active, Z = step_by_step.of_active(SQUARE, rows[:n], y[:n])
        every = MANY.fitted.predict(rows[:n], SQUARE)
        assert active.tolist() == active_tasks(MANY.weights, every, y[:n]).tolist()
        np.testing.assert_allclose(Z, every[:, active], atol=1e-9)
        at_once = MANY.copy().of_active(SQUARE, rows[:n], y[:n])
        assert at_once[0].tolist() == active.tolist()
        np.testing.assert_allclose(at_once[1], Z, atol=1e-9)


def test_only_the_active_studies_are_asked_while_trials_cannot_tell(
    questions: list[tuple[int, int]],
) -> None:
    rows, asked = np.random.default_rng(10).random((6, 2)), MANY.copy()
    for n in range(5):
        asked.of_active(SQUARE, rows[:n], np.ones(n))
    assert questions == [(MOST_ACTIVE, 1)] * 4
    # Once they can, all studies are asked about all trials together, and then about each new one.
    asked.of_active(SQUARE, rows[:5], np.arange(5.0))
    asked.of_active(SQUARE, rows, np.arange(6.0))
    asked.of_active(SQUARE, rows, np.arange(6.0))
    assert questions[4:] == [(len(MANY.fitted), 5), (len(MANY.fitted), 1)]


def test_of_many_trials_those_that_are_asked_about_now_stay_known(
    questions: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_module, "_MOST_KNOWN", 6 * len(MANY.fitted))
    monkeypatch.setattr(active_module, "_KNOWN_TRIALS", (1, 100))
    rows, y, asked = np.random.default_rng(12).random((9, 2)), np.arange(9.0), MANY.copy()
    for n in range(3, 10):
        asked.of_active(SQUARE, rows[n - 3 : n], y[n - 3 : n])
    assert [n for _, n in questions] == [3] + 6 * [1]
    asked.of_active(SQUARE, rows[:3], y[:3])  # The first have been forgotten.
    assert questions[7:] == [(len(MANY.fitted), 3)]


def test_what_a_copy_is_told_stays_with_it(questions: list[tuple[int, int]]) -> None:
    rows, original = np.random.default_rng(11).random((2, 2)), MANY.copy()
    original.of_active(SQUARE, rows[:1], np.zeros(1))
    original.copy().of_active(SQUARE, rows, np.zeros(2))
    assert len(questions) == 2
    original.of_active(SQUARE, rows, np.zeros(2))
    assert len(questions) == 3
