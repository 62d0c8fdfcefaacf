from __future__ import annotations

from dataclasses import replace
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.conditions import Condition
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.rows import apart
from optuna_meta.space.rows import enumerated
from optuna_meta.space.rows import neighbours
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.suggest import suggester as suggester_module
from optuna_meta.suggest.pool import fresh_rows
from optuna_meta.suggest.pool import seen
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate import transfer_model as model_module
from optuna_meta.surrogate.components import Arm
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.kernel import Scales
from optuna_meta.surrogate.transfer_model import is_untested
from optuna_meta.surrogate.transfer_model import OutcomePosterior


CUBE = Space((Dimension("a"), Dimension("b"), Dimension("c", choices=("p", "q"))))
SMALL = Space((Dimension("c", choices=("p", "q")), Dimension("n", 1, 4, step=1.0, integer=True)))
KINDS = Space((Dimension("kind", choices=("sgd", "adam")), Dimension("momentum"), Dimension("x")))
MOMENTUM = Condition(1, 0, (0.0, 1.0), (True, False), ordered=False)


def bowl(rows: Array) -> Array:
    cells = np.where(np.isnan(rows), 0.5, rows)
    return np.sum((cells - 0.4) ** 2, axis=1)


def prior(space: Space, n_tasks: int, n: int, seed: int = 0) -> Prior:
    """Studies of a shifted bowl, at valid rows."""
    rng = np.random.default_rng(seed)
    tasks = []
    for t in range(n_tasks):
        rows = space.snap(
            np.column_stack(
                [
                    rng.integers(0, len(d.choices), n) if d.choices is not None else rng.random(n)
                    for d in space.dimensions
                ]
            )
        )
        shift = 0.1 * rng.standard_normal(len(space.dimensions))
        tasks.append(Task(f"t{t}", rows, bowl(rows + shift)))
    return Prior(space, tuple(tasks))


def suggester(space: Space = CUBE, n_tasks: int = 3, n: int = 8) -> Suggester:
    return Suggester(fit_prior(prior(space, n_tasks, n)))


CUBE_SUGGESTER = suggester()


def request(space: Space, rows: Array | None = None, **more: object) -> SuggestRequest:
    n_dims = len(space.dimensions)
    rows = np.zeros((0, n_dims)) if rows is None else rows
    values = np.asarray(more.pop("values", bowl(rows)))[:, None]
    asked = SuggestRequest(space, rows, values, np.zeros((0, n_dims)), np.full(n_dims, np.nan))
    more = {"constraint_values": np.zeros((len(rows), 0))} | more
    return replace(asked, **more)  # type: ignore[arg-type]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def as_set(rows: Array) -> set[tuple[float, ...]]:
    return {tuple(row) for row in np.round(np.nan_to_num(rows, nan=-9.0), 6).tolist()}


def run(asked: Suggester, space: Space, n: int, **more: object) -> Array:
    """The rows of a study of n trials."""
    rows, generator = np.zeros((0, len(space.dimensions))), rng()
    for _ in range(n):
        rows = np.vstack([rows, asked.suggest(request(space, rows, **more), generator).row])
    return rows


@pytest.mark.parametrize("n_tasks", [0, 1, 3])
def test_a_finite_space_is_searched_without_repetition(n_tasks: int) -> None:
    everything = enumerated(SMALL)
    rows = run(suggester(SMALL, n_tasks), SMALL, len(everything))
    assert as_set(rows) == as_set(everything)
    # Then there is nothing new to suggest, and a row of the space comes again.
    again = run(suggester(SMALL, n_tasks), SMALL, len(everything) + 1)[-1:]
    assert as_set(again) <= as_set(everything)


def test_local_search_repeats_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggester_module, "SMALL", 1)
    everything = enumerated(SMALL)
    assert as_set(run(suggester(SMALL), SMALL, len(everything))) == as_set(everything)


def test_local_search_starts_from_different_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Space(tuple(Dimension(f"x{d}", 0.0, 1.0, step=0.125) for d in range(4)))
    trials, starts = run(suggester(grid), grid, 10), []

    def recorded(rows: Array, *more: Any) -> Array:
        starts.append(rows[:4])
        return neighbours(rows, *more)

    monkeypatch.setattr(suggester_module, "neighbours", recorded)
    suggester(grid).suggest(request(grid, trials), rng())
    assert len(starts) > 1
    # A neighbour may be a row of earlier rounds once more, but not of its own.
    assert min(len(as_set(rows)) for rows in starts) >= 2


def test_running_trials_count_as_seen() -> None:
    everything = enumerated(SMALL)
    rows, pending = everything[:3], everything[3:-1]
    suggestion = suggester(SMALL).suggest(request(SMALL, rows, pending=pending), rng())
    assert as_set(suggestion.row[None]) == as_set(everything[-1:])


def test_a_conditional_finite_space_is_searched_without_repetition() -> None:
    space = Space((Dimension("kind", choices=("s", "t")), Dimension("depth", choices=(1, 2, 3))))
    depth = Condition(1, 0, (0.0, 1.0), (True, False), ordered=False)
    rows = run(suggester(space), space, 4, conditions=(depth,))
    assert as_set(rows) == {(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (1.0, -9.0)}


def test_fixed_cells_leave_a_finite_rest_that_is_not_repeated() -> None:
    space = Space((Dimension("x"), Dimension("c", choices=tuple("abcdef"))))
    rows = run(suggester(space), space, 6, fixed=np.array([0.37, np.nan]))
    assert as_set(rows) == {(0.37, float(i)) for i in range(6)}


@pytest.mark.parametrize("n_tasks", [1, 4, 30])
def test_the_first_suggestion_is_one_that_a_prior_study_tried(n_tasks: int) -> None:
    asked = suggester(CUBE, n_tasks)
    suggestion = asked.suggest(request(CUBE), rng())
    tried = np.vstack([task.rows for task in asked.fitted.prior.tasks])
    assert as_set(suggestion.row[None]) <= as_set(tried)
    # And a good one: among the best third of its study.
    task = next(
        t for t in asked.fitted.prior.tasks if as_set(suggestion.row[None]) <= as_set(t.rows)
    )
    place = np.flatnonzero(np.isclose(task.rows, suggestion.row).all(axis=1))[0]
    assert (task.values < task.values[place]).mean() < 1 / 3


def test_later_suggestions_come_near_the_optimum() -> None:
    rows = run(CUBE_SUGGESTER, CUBE, 12)
    assert len(as_set(rows)) == 12
    assert bowl(rows).min() < 0.01 + 0.16  # The choice's cell alone costs 0.16 at least.


@pytest.mark.parametrize("n", [0, 4])
def test_fixed_cells_are_kept(n: int) -> None:
    rows = np.column_stack([rng(1).random((n, 2)), np.zeros(n)])
    fixed = np.array([0.123, np.nan, 1.0])
    row = CUBE_SUGGESTER.suggest(request(CUBE, rows, fixed=fixed), rng()).row
    assert row[0] == 0.123 and row[2] == 1.0 and 0.0 <= row[1] <= 1.0


@pytest.mark.parametrize("kind", [0.0, 1.0, np.nan])
def test_conditions_hold_in_suggestions(kind: float) -> None:
    asked, rows, generator = suggester(KINDS), np.zeros((0, 3)), rng()
    fixed = np.array([kind, np.nan, np.nan])
    for _ in range(5):
        asking = request(KINDS, rows, conditions=(MOMENTUM,), fixed=fixed)
        row = asked.suggest(asking, generator).row
        assert np.isnan(row[1]) == (row[0] == 1.0) and not np.isnan(row[2])
        assert np.isnan(kind) or row[0] == kind
        rows = np.vstack([rows, row])


@pytest.mark.parametrize("space", [CUBE, SMALL], ids=["continuum", "finite"])
@pytest.mark.parametrize("n", [0, 3])
def test_simultaneous_workers_get_different_rows(space: Space, n: int) -> None:
    asked = suggester(space)
    rows = run(asked, space, n)
    pending = rows[:0]
    for _ in range(4):
        row = asked.suggest(request(space, rows, pending=pending), rng()).row
        pending = np.vstack([pending, row])
    assert len(as_set(pending) | as_set(rows)) == 4 + n


def test_a_pending_trial_is_believed_to_come_to_what_is_expected_of_it() -> None:
    """So there is little to gain around it, but nothing is barred."""
    rows = CUBE.snap(rng(3).random((12, 3)))
    best = CUBE_SUGGESTER.suggest(request(CUBE, rows), rng()).row
    pending = best[None]
    after = CUBE_SUGGESTER.suggest(request(CUBE, rows, pending=pending), rng()).row
    assert as_set(after[None]) != as_set(pending)
    told = request(CUBE, np.vstack([rows, pending]))
    known = CUBE_SUGGESTER.suggest(told, rng()).row  # As if it had come to it, about.
    assert np.linalg.norm(after - known) < 0.5


@pytest.mark.parametrize("made", [CUBE_SUGGESTER, Suggester(fit_prior(Prior(CUBE)))])
def test_a_trial_far_out_of_range_changes_nothing(made: Suggester) -> None:
    """Whether it came to the best or to the worst: what it says is not said of the range."""
    inside = neighbours(np.full((1, 3), 0.5), 6, CUBE, rng())
    made.suggest(request(CUBE, inside), rng())  # The pool is drawn once.
    expected = made.suggest(request(CUBE, inside), rng()).row
    for far in (2.5, -3.0, 1e6):
        rows = np.vstack([inside[:2], [[0.5, far, 0.0]], inside[2:]])
        for value in (1e9, -5.0):
            asked = request(CUBE, rows, values=np.insert(bowl(inside), 2, value))
            np.testing.assert_array_equal(made.suggest(asked, rng()).row, expected)


@pytest.mark.parametrize("made", [CUBE_SUGGESTER, Suggester(fit_prior(Prior(CUBE)))])
def test_a_trial_just_out_of_range_is_no_incumbent_but_says_where_it_was(made: Suggester) -> None:
    inside = neighbours(np.full((1, 3), 0.5), 9, CUBE, rng())
    for value, where in ((-0.5, 1.0), (0.7, 0.4)):  # The one value that all would like to beat.
        rows, values = np.vstack([inside, [[0.4, 1.1, 0.0]]]), np.append(bowl(inside), value)
        for _ in range(4):
            row = made.suggest(request(CUBE, rows, values=values), rng()).row
            gain = 1.2 * np.exp(-((row[1] - 1.1) ** 2) / 0.02) if value < 0.0 else 0.0
            rows = np.vstack([rows, row])
            values = np.append(values, bowl(row[None]) - gain)
        best = rows[10:][np.argmin(values[10:])]
        assert abs(best[1] - where) < 0.15


def test_equal_generators_get_equal_suggestions() -> None:
    fitted = CUBE_SUGGESTER.fitted
    first, second = (run(Suggester(fitted), CUBE, 5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("n_tasks", [3, 30])
def test_a_copy_leaves_the_original_alone(n_tasks: int) -> None:
    fitted = fit_prior(prior(CUBE, n_tasks, 5))
    expected = run(Suggester(fitted), CUBE, 5)
    original, generator = Suggester(fitted), rng()
    rows = expected[:3]
    for n in range(3):
        original.suggest(request(CUBE, expected[:n]), generator)
    copy = original.copy()
    other = Space((*CUBE.dimensions, Dimension("added")))
    run(copy, other, 2)
    same = copy.suggest(request(CUBE, rows), np.random.Generator(_copied(generator)))
    np.testing.assert_array_equal(same.row, expected[3])
    for n in range(3, 5):
        row = original.suggest(request(CUBE, expected[:n]), generator).row
        np.testing.assert_allclose(row, expected[n], rtol=1e-9)


def _copied(generator: np.random.Generator) -> np.random.BitGenerator:
    bits = np.random.PCG64()
    bits.state = generator.bit_generator.state
    return bits


def test_what_the_priors_know_by_other_ranges_is_valid_here() -> None:
    target = Space(
        (
            Dimension("a", 0.2, 0.6, step=0.2),
            Dimension("c", choices=("q", "new")),
            Dimension("added", 1, 5, step=1.0, integer=True),
        )
    )
    rows = run(CUBE_SUGGESTER, target, 6)
    assert as_set(rows) <= as_set(enumerated(target)) and len(as_set(rows)) == 6


def test_a_space_without_parameters_has_an_empty_row() -> None:
    suggestion = CUBE_SUGGESTER.suggest(request(Space()), rng())
    assert (
        suggestion.row.shape == (0,) and suggestion.trust == CUBE_SUGGESTER.model(Outcome()).trust
    )
    assert suggestion.shares.tolist() == [0.0] * 3


def explained(asked: Suggester, rows: Array) -> Suggestion:
    suggestion = asked.suggest(request(asked.fitted.space, rows), rng())
    assert 0.0 <= suggestion.trust <= 1.0
    assert (
        suggestion.shares.shape == suggestion.compared.correlations.shape == (len(asked.fitted),)
    )
    return suggestion


def test_suggestions_explain_themselves() -> None:
    first = explained(CUBE_SUGGESTER, np.zeros((0, 3)))
    assert first.trust == pytest.approx(CUBE_SUGGESTER.model(Outcome()).trust)
    # Before any trial the prior studies are all there is.
    assert first.shares.sum() == pytest.approx(first.trust) and first.shares.min() >= 0.0
    assert np.isnan(first.compared.correlations).all() and first.predicted == ()
    assert first.beats is not None and first.beats > 0.5
    later = explained(CUBE_SUGGESTER, run(CUBE_SUGGESTER, CUBE, 6))
    assert later.trust > 0.2 and len(later.predicted) == 1
    many = explained(suggester(CUBE, 40, 4), np.zeros((0, 3)))
    assert len(many.order) == 24


def test_trust_and_the_row_do_not_depend_on_the_values_scale() -> None:
    rows = run(CUBE_SUGGESTER, CUBE, 6)
    plain = CUBE_SUGGESTER.suggest(request(CUBE, rows), rng())
    moved = CUBE_SUGGESTER.suggest(request(CUBE, rows, values=1e3 * bowl(rows) - 7.0), rng())
    assert moved.trust == pytest.approx(plain.trust, rel=1e-3)
    np.testing.assert_allclose(moved.row, plain.row, atol=1e-6)


@pytest.mark.parametrize("values", [[2.0], [1.0, 1.0, 1.0]], ids=["one trial", "constant"])
def test_values_that_say_nothing_are_no_obstacle(values: list[float]) -> None:
    rows = run(CUBE_SUGGESTER, CUBE, len(values))
    suggestion = CUBE_SUGGESTER.suggest(request(CUBE, rows, values=np.array(values)), rng())
    assert ((suggestion.row >= 0.0) & (suggestion.row <= 1.0)).all()
    assert len(as_set(rows) | as_set(suggestion.row[None])) == len(values) + 1


def seconds(asked: Suggester, n: int = 6) -> float:
    """CPU time of the typical suggestion after the first."""
    rows, generator, times = np.zeros((0, 3)), rng(), []
    for _ in range(n):
        before = time.process_time()
        row = asked.suggest(request(CUBE, rows), generator).row
        times.append(time.process_time() - before)
        rows = np.vstack([rows, row])
    return float(np.median(times[1:]))


def test_many_prior_studies_cost_little_more_than_some() -> None:
    some, many = suggester(CUBE, 40), suggester(CUBE, 400)
    assert min(seconds(many.copy()) for _ in range(2)) < 2.5 * seconds(some)


def suggester_of_trust(trust: float) -> Suggester:
    model = replace(CUBE_SUGGESTER.model(Outcome()), trust=trust)
    return Suggester(CUBE_SUGGESTER.fitted, _models={Outcome(): model})


def reversed_question(asked: Suggester, n: int) -> tuple[SuggestRequest, list[Suggestion]]:
    """A study in which the prior studies' good region is a plateau of equal, bad values."""
    generator, said = rng(), []
    rows = np.zeros((0, 3))
    for _ in range(n):
        values = np.where(bowl(rows) < 0.1, 1.0, 1.0 - bowl(rows))
        now = request(CUBE, rows, values=values)
        said.append(asked.suggest(now, generator))
        rows = np.vstack([rows, said[-1].row])
    return request(CUBE, rows, values=np.where(bowl(rows) < 0.1, 1.0, 1.0 - bowl(rows))), said


def test_a_plateau_where_priors_promise_most_is_left() -> None:
    """Equal values cannot refute the priors; the trial that tests them can."""
    convinced = suggester_of_trust(0.95)
    asked, said = reversed_question(convinced, 15)
    assert asked.values.min() < 0.75
    assert said[-1].trust < 0.95


def test_every_fifth_trial_tests_the_priors_until_two_have() -> None:
    good, bad = np.full(10, -1.0), np.array([0.5, 0.7])
    due = is_untested
    assert due(good[:5], 3.0) and due(good, 3.0)
    assert not due(good[:4], 3.0) and not due(np.zeros(0), 3.0)
    assert due(np.append(good[:9], bad[0]), 3.0)
    assert not due(np.append(good[:8], bad), 3.0)
    assert not due(good, 0.0)  # Priors that expect the same everywhere cannot be tested.


def test_a_test_of_the_priors_is_chosen_by_what_doubts_them() -> None:
    rows = np.tile(CUBE_SUGGESTER.suggest(request(CUBE), rng()).row, (5, 1))
    rows[:, 0] += np.linspace(0.0, 0.02, 5)
    convinced = suggester_of_trust(0.9)
    said = convinced.suggest(request(CUBE, rows, values=np.zeros(5)), rng())
    assert said.is_probe
    none = suggester(CUBE, 0)
    assert not none.suggest(request(CUBE, rows, values=np.zeros(5)), rng()).is_probe


def test_of_trials_that_are_asked_for_at_once_one_is_a_test() -> None:
    rows = np.tile(CUBE_SUGGESTER.suggest(request(CUBE), rng()).row, (5, 1))
    rows[:, 0] += np.linspace(0.0, 0.02, 5)
    convinced, asked = suggester_of_trust(0.9), request(CUBE, rows, values=np.zeros(5))
    tests = []
    for _ in range(3):
        said = convinced.suggest(asked, rng())
        tests.append(said.is_probe)
        asked = asked.with_pending(said)
    assert tests == [True, False, False]


def test_without_doubt_there_is_no_test() -> None:
    # All trials lie where the prior studies call it good, so that a test would be due.
    rows = np.tile(CUBE_SUGGESTER.suggest(request(CUBE), rng()).row, (5, 1))
    rows[:, 0] = np.linspace(rows[0, 0] - 0.02, rows[0, 0] + 0.02, 5)
    model = suggester_of_trust(0.9).model(Outcome())
    posterior = model.condition(CUBE, rows, np.zeros(5), np.zeros((0, 3)))
    everywhere = posterior.inputs(rng().random((50, 3)).round(6) * [1.0, 1.0, 0.0])
    assert posterior.probing_if_due(everywhere).is_probe
    assert not without_doubt(posterior).probing_if_due(everywhere).is_probe


def without_doubt(posterior: OutcomePosterior) -> OutcomePosterior:
    """The posterior after its doubting components have been dropped."""
    kept = [k for k, p in enumerate(posterior.full.posteriors) if p.component.arm is Arm.FOLLOW]
    model = replace(
        posterior.full,
        posteriors=tuple(posterior.full.posteriors[k] for k in kept),
        weights=posterior.full.weights[kept] / posterior.full.weights[kept].sum(),
    )
    return replace(posterior, model=model, full=model)


def test_candidates_on_a_known_plateau_are_left_out() -> None:
    rows = np.array([[0.3, 0.3, 0.0], [0.6, 0.3, 0.0], [0.9, 0.9, 0.0], [0.1, 0.9, 0.0]])
    asked = request(CUBE, rows, values=np.array([1.0, 1.0, 2.0, 3.0]))
    flat, radii = suggester_module._flat(asked)
    is_seen = seen(asked)
    np.testing.assert_array_equal(flat, rows[:2])
    pool, nothing = CUBE_SUGGESTER._pool(asked), (flat[:0], radii[:0])
    kept = pool.rows[fresh_rows(asked, pool, is_seen, (flat, radii), False)]
    everyone = pool.rows[fresh_rows(asked, pool, is_seen, nothing, False)]
    for k, row in enumerate(flat):
        on_it = apart(everyone, row[None], radii[[k]], CUBE)
        assert apart(kept, row[None], radii[[k]], CUBE).all() and not on_it.all()


def test_a_likely_value_is_no_sign_of_a_plateau() -> None:
    """That of a pruned trial is another trial's."""
    rows = np.array([[0.3, 0.3, 0.0], [0.6, 0.3, 0.0], [0.9, 0.9, 0.0], [0.1, 0.9, 0.0]])
    asked = request(CUBE, rows, values=np.array([1.0, 1.0, 2.0, 3.0]))
    likely = replace(asked, measured=np.array([True, False, True, True]))
    for now, is_flat in ((asked, True), (likely, False)):
        assert bool(len(suggester_module._flat(now)[0])) == is_flat
        assert suggester_module._novelty(now)(rows[:2] + 0.01).any() == is_flat


def test_of_many_trials_the_first_tell_the_same_for_some_time() -> None:
    rows = rng().random((239, 3)).round(3)
    rows[:, 2] = rows[:, 2].round()
    learned = [
        request(CUBE, rows=rows[:n], values=rng(1).random(n)).thinned.rows for n in (220, 221, 239)
    ]
    assert [len(kept) for kept in learned] == [180, 181, 199]
    for kept in learned[1:]:
        np.testing.assert_array_equal(kept[:180], learned[0])
    np.testing.assert_array_equal(learned[2][180:], rows[220:])


def test_length_scales_of_many_trials_are_not_learned_at_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    residual_scales = model_module.residual_scales

    def counted(X: Array, y: Array, owners: NDArray[np.int64], precisions: Array) -> Scales:
        calls.append(len(y))
        return residual_scales(X, y, owners, precisions)

    monkeypatch.setattr(model_module, "residual_scales", counted)
    rows = CUBE.snap(rng().random((239, 3)))
    asked = CUBE_SUGGESTER.copy()
    for n in range(220, 240):
        asked.suggest(request(CUBE, rows=rows[:n]), rng())
    assert len(set(calls)) <= 3 and len(calls) <= 9  # By each of three warps.


@pytest.mark.parametrize("n_tasks", [3, 12])
def test_a_suggester_without_a_study_is_as_if_it_had_never_been_there(n_tasks: int) -> None:
    studies = prior(CUBE, n_tasks, 12)
    others = replace(studies, tasks=studies.tasks[:-1])
    rows = CUBE.snap(rng(6).random((4, 3)))
    left, never = Suggester(fit_prior(studies)), Suggester(fit_prior(others))
    left.suggest(request(CUBE, rows=rows), rng())
    without = left.without(f"t{n_tasks - 1}").suggest(request(CUBE, rows=rows), rng())
    fresh = never.suggest(request(CUBE, rows=rows), rng())
    np.testing.assert_allclose(without.row, fresh.row, atol=0.1)
    np.testing.assert_allclose(without.weights, fresh.weights, atol=0.02)
    assert without.trust == pytest.approx(fresh.trust, abs=0.05)


def test_many_studies_are_asked_once_what_they_say_of_each_other(weighings: list[int]) -> None:
    rows = CUBE.snap(rng(5).random((4, 3)))
    whole = suggester(n_tasks=12)
    whole.suggest(request(CUBE, rows=rows), rng())
    for name in ("t0", "t11"):
        whole.without(name).suggest(request(CUBE, rows=rows), rng())
    assert weighings == [12]
