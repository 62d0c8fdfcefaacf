"""The model learns from prior studies, and counts what it did on those that it did not know."""

from __future__ import annotations

import numpy as np

from optuna_meta import Prior
from optuna_meta.pruning.curve_model import CurveModel
from optuna_meta.pruning.curve_model import fit_curves
from optuna_meta.pruning.standing import columns
from tests.pruning.toys import curve
from tests.pruning.toys import prior
from tests.pruning.toys import study


def X_of(behind: float, position: float) -> np.ndarray:
    return columns(np.array([behind, behind, 0.0, 0.0, np.log(10.0)]), np.array(position))


def test_a_chance_falls_with_the_gap_and_rises_with_progress_everywhere() -> None:
    coefficients = fit_curves(prior().tasks).coefficients.reshape(6, 3)
    assert (coefficients[[1, 2, 4, 5]] <= 0.0).all()
    assert (coefficients[3] >= 0.0).all()
    assert coefficients[1:3].min() < -0.5
    assert coefficients[5].min() < -0.5


def test_every_study_has_its_records() -> None:
    model = fit_curves(prior().tasks)
    assert len(model.records) == len(prior())
    assert all(len(records.lowest) for records in model.records)


def test_of_the_trials_that_stood_no_better_some_are_counted() -> None:
    model = fit_curves(prior().tasks)
    n_all, n_improved = model.count(X_of(-4.0, 0.5), 0.5)
    n_far, n_far_improved = model.count(X_of(3.0, 0.9), 0.9)
    assert n_all == sum(len(task.rows) for task in prior().tasks if task.curves)
    assert 0 < n_far < n_all
    assert n_far_improved <= n_improved
    assert n_far_improved == 0


def test_without_curves_nothing_is_known() -> None:
    silent = study(10, curve_of=lambda q: [1.0 - q])
    for tasks in ((), Prior.from_studies([silent]).tasks):
        model = fit_curves(tasks)
        assert not model.records
        assert model.count(X_of(1.0, 0.5), 0.5) == (0, 0)
        np.testing.assert_array_equal(model.coefficients, CurveModel().coefficients)


def test_where_curves_do_not_foretell_the_end_nothing_is_allowed_early() -> None:
    """What is learned from final values that were shuffled says little of a trial's end."""
    rng = np.random.default_rng(0)

    def told(quality: float) -> list[float]:
        return [*curve(rng.random())[:-1], 1.0 - quality]

    shuffled = Prior.from_studies([study(30, s, told, study_name=f"{s}") for s in range(4)])
    model, good = fit_curves(shuffled.tasks), fit_curves(prior().tasks)
    assert model.coefficients[3:9].min() > good.coefficients[3:9].min()


def test_studies_of_other_numbers_of_objectives_do_not_serve() -> None:
    assert not fit_curves(prior().tasks, n_objectives=2).records
