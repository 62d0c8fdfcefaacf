from __future__ import annotations

import math

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
import pytest

from optuna_meta.outcomes.observations import observe
from optuna_meta.outcomes.trial_table import TrialTable
from tests.outcomes.trials import pruned
from tests.outcomes.trials import trial


DOWN, UP = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def mirrored(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The same trials of a study that maximises."""
    return [
        trial(
            t.number,
            None if t.value is None else -t.value,
            {step: -value for step, value in t.intermediate_values.items()},
            t.state,
        )
        for t in trials
    ]


def values_of(trials: list[FrozenTrial], direction: StudyDirection = DOWN) -> list[float]:
    values: list[float] = observe(trials, [direction]).values[:, 0].tolist()
    return values


# Five complete trials whose curves fall to their final value, best first.
COMPLETE = [trial(i, i / 10, {1: i / 10 + 0.4, 5: i / 10 + 0.2, 9: i / 10}) for i in range(1, 6)]


@pytest.mark.parametrize("worst", [math.inf, -math.inf])
@pytest.mark.parametrize("direction", [DOWN, UP])
def test_infinite_values_rank_last(worst: float, direction: StudyDirection) -> None:
    sign = 1.0 if direction == DOWN else -1.0
    trials = [trial(0, sign * 1.0), trial(1, worst), trial(2, sign * 2.0)]
    assert values_of(trials, direction) == [1.0, 2.0, 2.0]


def test_infinities_of_both_signs_raise_no_warning() -> None:
    trials = [trial(0, math.inf), trial(1, -math.inf), pruned(2, {1: 3.0}), trial(3, 1.0)]
    assert values_of(trials) == [1.0, 1.0, 3.0, 1.0]
    assert np.isfinite(values_of(trials[:3])).all()


def test_direction_flips_values_and_curves() -> None:
    trials = [*COMPLETE, pruned(6, {1: 0.65}), pruned(7, {1: 0.55, 5: 0.9}), pruned(8, {2: 0.3})]
    assert values_of(mirrored(trials), UP) == values_of(trials)


@pytest.mark.parametrize(
    ("curve", "likely"),
    [
        ({1: 0.45}, 0.1),  # Better than all at step 1.
        ({1: 0.65}, 0.3),  # Third at step 1.
        ({1: 0.85, 5: 0.21}, 0.1),  # The last shared step counts.
        ({1: 0.45, 5: 0.95}, 0.75),  # Worse than all at step 5, by .25.
        ({1: 0.45, 7: 0.1}, 0.1),  # Step 7 is nobody's: compared at step 1.
        ({1: math.nan, 5: 0.95}, 0.75),
        ({5: math.inf}, 0.5),
        ({5: -math.inf}, 0.5),
    ],
)
def test_a_pruned_trial_gets_the_value_of_its_rank(curve: dict[int, float], likely: float) -> None:
    assert values_of([*COMPLETE, pruned(6, curve)])[-1] == pytest.approx(likely)


def test_pruned_trials_are_never_better_than_the_best_of_their_peers() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        curve = {int(s): float(v) for s, v in zip((1, 5, 9), rng.random(3), strict=True)}
        assert values_of([*COMPLETE, pruned(6, curve)])[-1] >= 0.1


def test_a_trial_that_was_stopped_early_is_not_taken_for_one_that_learned_nothing() -> None:
    """Only good trials are complete, and all of them were bad when they began."""
    complete = [trial(i, i / 100, {1: 0.8 + i / 100, 9: i / 100}) for i in range(1, 6)]
    assert values_of([*complete, pruned(6, {1: 0.9})])[-1] == pytest.approx(0.1)


def test_a_worse_curve_is_never_ranked_better() -> None:
    curves = [{1: value} for value in np.linspace(0.0, 1.5, 40)]
    likely = [values_of([*COMPLETE, pruned(6, curve)])[-1] for curve in curves]
    assert (np.diff(likely) >= 0).all()


def test_where_all_began_alike_a_pruned_trial_is_not_far_beyond_the_finals_reach() -> None:
    complete = [trial(i, i / 10, {1: 2.3026 + i * 1e-5, 9: i / 10}) for i in range(1, 6)]
    assert values_of([*complete, pruned(6, {1: 2.45})])[-1] == pytest.approx(0.5 + 2 * 0.4)


@pytest.mark.parametrize("complete", [[1.0], [1.0, 1.0]], ids=["one", "equal ones"])
def test_behind_what_tells_no_proportion_a_pruned_trial_stays_behind_in_size(
    complete: list[float],
) -> None:
    done = [trial(i, value, {1: 2.0, 2: value}) for i, value in enumerate(complete)]
    stopped = [pruned(8, {1: 2.5}), pruned(9, {1: 4.0})]
    assert values_of(done + stopped) == pytest.approx([*complete, 1.25, 2.0])


def test_curves_of_another_scale_give_ranks_only() -> None:
    # The curve reports a loss in the hundreds, the value is an error below one.
    complete = [trial(i, i / 10, {1: 100.0 * i}) for i in range(1, 6)]
    assert values_of([*complete, pruned(6, {1: 250.0})])[-1] == pytest.approx(0.3)
    assert values_of([*complete, pruned(6, {1: 999.0})])[-1] == pytest.approx(0.999)


def test_without_a_shared_step_a_pruned_trial_is_no_better_than_the_middle() -> None:
    assert values_of([*COMPLETE, pruned(6, {2: 0.0})])[-1] == pytest.approx(0.3)
    assert values_of([*COMPLETE, pruned(6, {2: 0.4})])[-1] == pytest.approx(0.4)


def test_pruned_trials_alone_are_ranked_by_their_best() -> None:
    assert values_of([pruned(0, {1: 3.0, 2: 1.0}), pruned(1, {1: 2.0})]) == [1.0, 2.0]


def deviations_of(trials: list[FrozenTrial]) -> list[float]:
    table = TrialTable([DOWN])
    for t in trials:
        table.append(t)
    deviations: list[float] = table.reports().deviations[:, 0].tolist()
    return deviations


def crossed(number: int, final: float) -> FrozenTrial:
    """Whose first report says the reverse of its end, and whose second is the end."""
    return trial(number, final, {1: 1.0 - final, 5: final})


def test_a_forecast_is_as_sure_as_complete_trials_would_have_been_right() -> None:
    complete = [crossed(i, i / 10) for i in range(1, 10)]
    early, late = pruned(10, {1: 0.45}), pruned(11, {1: 0.45, 5: 0.45})
    *measured, vague, sharp = deviations_of([*complete, early, late])
    assert measured == [0.0] * 9
    assert vague > 0.4 > 0.1 > sharp > 0.0


def test_few_complete_trials_do_not_vouch_for_a_forecast() -> None:
    many = [trial(i, i / 100, {1: i / 100}) for i in range(0, 100, 2)]
    few = [many[0], many[-1]]
    unsure, sure = (deviations_of([*kept, pruned(99, {1: 0.31})])[-1] for kept in (few, many))
    assert unsure > 3.0 * sure > 0.0


def test_what_no_step_tells_may_be_off_as_far_as_finals_are_apart() -> None:
    finals = [t.value for t in COMPLETE]
    assert deviations_of([*COMPLETE, pruned(6, {2: 0.0})])[-1] == pytest.approx(np.std(finals))


def test_deviations_are_finite_whatever_ended() -> None:
    huge = [trial(0, -1e308, {1: -1e308}), trial(1, 1e308, {1: 1e308}), trial(2, math.inf, {1: 0})]
    found = deviations_of(
        [*huge, pruned(3, {1: 0.5}), pruned(4, {1: math.inf}), pruned(5, {9: 0})]
    )
    assert np.isfinite(found).all()
