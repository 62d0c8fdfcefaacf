"""A study's course against others'."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
import optuna
import pytest

from optuna_meta.replay.cold_start import best_so_far
from optuna_meta.replay.saving import estimate_saving
from optuna_meta.replay.saving import Saving
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.visualization import matplotlib
from optuna_meta.visualization import plot_transfer_history
from optuna_meta.visualization.target_values import target_values
from optuna_meta.visualization.transfer_history import normalised_course
from optuna_meta.visualization.transfer_history import top_of
from optuna_meta.visualization.transfer_history import transfer_history
from tests.replay.test_saving import study_with
from tests.replay.test_saving import trials_of
from tests.visualization.studies import bowl_study


def test_a_course_goes_from_its_start_to_zero_and_the_median_is_one() -> None:
    course = normalised_course(np.array([4.0, 5.0, 2.0, 0.0, 8.0]))
    np.testing.assert_allclose(course, [1.0, 1.0, 0.5, 0.0, 0.0])


def test_a_course_can_be_measured_by_other_values() -> None:
    course = normalised_course(np.array([6.0, 2.0]), np.array([0.0, 2.0, 4.0]))
    np.testing.assert_allclose(course, [3.0, 1.0])


def test_equal_values_are_all_best() -> None:
    assert normalised_course(np.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert len(normalised_course(np.zeros(0))) == 0


def test_cold_starts_are_measured_by_the_study() -> None:
    study = optuna.create_study(direction="maximize")
    for value in (0.0, 2.0, 4.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    values = target_values(study, None)
    courses = np.array([[-2.0, 4.0], [-2.0, 4.0]])
    saving = Saving(3, 4.0, np.array([2.0, 2.0]), 2, courses=courses)
    history = transfer_history(values, {"prior": np.array([1.0, 0.0])}, saving)
    np.testing.assert_allclose(history.own, [2.0, 1.0, 0.0])
    np.testing.assert_allclose(history.priors["prior"], [2.0, 0.0])
    assert history.cold is not None
    np.testing.assert_allclose(history.cold.median, [3.0, 0.0])
    assert top_of(history) == pytest.approx(2.2)


def test_the_figure_has_the_study_its_priors_and_the_cold_start() -> None:
    pytest.importorskip("plotly")
    study = bowl_study()
    saving = Saving(4, 0.1, np.array([3.0]), 3, courses=np.array([[1.0, 0.5, 0.1]]))
    figure = plot_transfer_history(study, saving=saving)
    names = [trace.name for trace in figure.data]
    assert names[-1] == "this study" and "cold start (estimate)" in names
    assert {f"bowl {i}" for i in range(5)} < set(names)
    assert len(figure.data[-1].x) == 10


def reached(x: ArrayLike, y: ArrayLike) -> float:
    """Where a line first is at the study's best."""
    return float(np.asarray(x)[np.asarray(y, dtype=float) == 0.0].min())


def ten_runs(study: optuna.Study, times: int = 1) -> Saving:
    """Ten cold starts: the median needs 14 trials and four of five 1 to 33, or times so many."""
    needed, limit = times * np.array([33, 1, 14, 2, 30, 5, 21, 13, 25, np.inf]), times * 60
    best, runs = study.best_value, []
    for n in np.minimum(needed, limit + 1).astype(int):
        run = np.append(best + np.linspace(3.0, 1.0, n)[: n - 1], best)
        runs.append(best_so_far(run[:limit], best, limit))
    return Saving(study.best_trial.number + 1, best, needed, limit, courses=np.array(runs))


@pytest.mark.parametrize("times", [1, 10])
def test_lines_reach_the_best_where_the_text_says(times: int) -> None:
    pytest.importorskip("plotly")
    study = bowl_study()
    saving = ten_runs(study, times)
    assert (saving.median, saving.interval) == (14 * times, (times, 33 * times))
    traces = plot_transfer_history(study, saving=saving).data[-4:]
    high, low, median, own = (reached(trace.x, trace.y) for trace in traces)
    assert (median, (low, high), own) == (saving.median, saving.interval, saving.trials)


def test_in_matplotlib_they_do_too() -> None:
    pytest.importorskip("matplotlib")
    study = bowl_study()
    saving = ten_runs(study)
    axes = matplotlib.plot_transfer_history(study, saving=saving)
    median, own = (reached(*line.get_data()) for line in axes.get_lines()[-2:])
    assert (median, own) == (saving.median, saving.trials)


@pytest.mark.parametrize("gain", [1.0, -1.0], ids=["from weights", "from scratch"])
def test_the_study_counts_trials_of_the_same_start(gain: float) -> None:
    pytest.importorskip("plotly")
    trials = trials_of([gain < 0.0, gain > 0.0] * 5, gain)
    trials.insert(3, optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    study = study_with(trials)
    saving = estimate_saving(study, n_replays=1, limit=3)
    assert saving is not None and saving.trials < study.best_trial.number + 1
    *_, low, cold, own = plot_transfer_history(study, saving=saving).data
    assert reached(own.x, own.y) == saving.trials
    assert own.name == f"this study{saving.where}"
    assert cold.name == f"cold start{saving.where} (estimate)"
    assert low.name == f"80% of cold starts{saving.where} (estimate)"
    assert len(own.x) == (6 if saving.start == SCRATCH else 5)


def test_a_trial_without_a_value_counts() -> None:
    study = optuna.create_study()
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    for value in (2.0, 0.0, 1.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    history = transfer_history(target_values(study, None), {}, trials=study.trials)
    assert history.own.tolist() == [np.inf, 2.0, 0.0, 0.0] and top_of(history) < 4.0


def test_a_cold_start_without_a_value_is_behind_the_others() -> None:
    study = optuna.create_study()
    for value in (2.0, 1.0, 0.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    courses = np.array([[np.nan, 0.0], [1.0, 0.0], [0.0, 0.0]])
    saving = Saving(3, 0.0, np.array([2.0, 2.0, 1.0]), 2, courses=courses)
    cold = transfer_history(target_values(study, None), {}, saving).cold
    assert cold is not None and cold.median.tolist() == [1.0, 0.0]
    assert cold.high.tolist() == [np.inf, 0.0]


def test_without_the_sampler_it_says_what_to_pass() -> None:
    pytest.importorskip("plotly")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(ValueError, match="got RandomSampler: pass sampler=MetaSampler"):
        plot_transfer_history(study)


def test_of_another_function_only_the_study_is_shown() -> None:
    pytest.importorskip("plotly")
    figure = plot_transfer_history(bowl_study(), target=lambda t: t.values[0] + t.number)
    assert [trace.name for trace in figure.data] == ["this study"]
