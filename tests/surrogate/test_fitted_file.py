from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta.outcomes.observations import objectives
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.fitted_file import FORMAT
from optuna_meta.surrogate.fitted_file import VERSION
from optuna_meta.surrogate.reliability import reliability_of


SPACE = Space((Dimension("kind", choices=("a", "b")), Dimension("x"), Dimension("y")))
OUTCOMES = (*objectives(1, ["loss"]), *objectives(1), Outcome.constraint("memory"))


def fitted_studies() -> FittedPrior:
    """Two studies of a named objective, two of one without a name, two of a constraint.

    The parameter y exists where the kind is a.
    """
    rng, tasks = np.random.default_rng(0), []
    for t in range(6):
        rows = np.column_stack([np.arange(12) % 2, rng.random((12, 2))])
        rows[1::2, 2] = np.nan
        values = (rows[:, 1] - 0.1 * t) ** 2 + 0.2 * rows[:, 0]
        tasks.append(Task(f"t{t}", rows, values, outcome=OUTCOMES[t // 2]))
    return fit_prior(Prior(SPACE, tuple(tasks)))


FITTED = fitted_studies()
ASKED = [*OUTCOMES, *objectives(1, ["speed"]), Outcome.constraint("time")]


def assert_as_on_demand(fitted: FittedPrior) -> None:
    for outcome in ASKED:
        found, expected = fitted.reliability(outcome), reliability_of(fitted.of(outcome))
        np.testing.assert_allclose(found, expected, atol=1e-9)
    plain = FittedPrior(fitted.prior, fitted.parameters, fitted.gps)
    assert fitted.conditions == plain.conditions


def test_fitting_asks_the_studies_of_each_outcome_once(weighings: list[int]) -> None:
    fitted = fitted_studies()
    # Those of a name are compared with those of none.
    assert sorted(weighings) == [2, 4]
    for outcome in OUTCOMES:
        fitted.reliability(outcome)
    assert len(weighings) == 2
    assert_as_on_demand(fitted)


def test_a_file_keeps_what_the_studies_say(tmp_path: Path, weighings: list[int]) -> None:
    FITTED.save(tmp_path / "file")
    loaded = FittedPrior.load(tmp_path / "file")
    assert loaded.known_conditions == FITTED.conditions != ()
    for outcome in OUTCOMES:
        np.testing.assert_array_equal(loaded.reliability(outcome), FITTED.reliability(outcome))
    assert not weighings
    assert_as_on_demand(loaded)


def test_other_sets_of_studies_are_asked_anew() -> None:
    assert_as_on_demand(FITTED.without(["t0"]))
    assert_as_on_demand(FITTED.select(np.array([3, 1, 4])))
    assert_as_on_demand(FITTED.of(OUTCOMES[0]))


def test_the_file_of_a_selection_keeps_what_the_selected_say(
    tmp_path: Path, weighings: list[int]
) -> None:
    FITTED.without(["t0"]).save(tmp_path / "file")
    assert sorted(weighings) == [2, 3]
    loaded = FittedPrior.load(tmp_path / "file")
    for outcome in OUTCOMES:
        loaded.reliability(outcome)
    assert len(weighings) == 2
    assert_as_on_demand(loaded)


def test_studies_that_surely_inform_each_other_are_saved_and_loaded(tmp_path: Path) -> None:
    """Their probabilities are sums that may be rounded to beyond 1."""
    rng, cube = np.random.default_rng(0), Space(tuple(Dimension(f"x{i}") for i in range(12)))
    every = rng.random((12, 60, 12))
    tasks = [Task(f"t{t}", rows, ((rows - 0.3) ** 2).sum(axis=1)) for t, rows in enumerate(every)]
    fitted = fit_prior(Prior(cube, tuple(tasks)))
    fitted.save(tmp_path / "file")
    loaded = FittedPrior.load(tmp_path / "file")
    found = loaded.reliability(Outcome())
    np.testing.assert_array_equal(found, fitted.reliability(Outcome()))
    assert found.informed.max() == 1.0


def test_files_of_earlier_versions_are_asked_when_it_is_needed(
    tmp_path: Path, weighings: list[int]
) -> None:
    loaded = FittedPrior.load(Path(__file__).parent / "fitted_prior_version_1.safetensors")
    assert not loaded.reliabilities and loaded.known_conditions is None
    # A sampler that reads its prior studies again and finds nothing new keeps those it has.
    unchanged = fit_prior(loaded.prior, update=loaded)
    assert unchanged.gps is loaded.gps and not weighings
    assert len(loaded.reliability(Outcome("loss", 0, 2)).signal) == 2
    unchanged.save(tmp_path / "file")
    renewed = FittedPrior.load(tmp_path / "file")
    assert renewed.reliabilities
    assert_as_on_demand(renewed)


def test_the_first_files_of_the_second_version_are_read(tmp_path: Path) -> None:
    """They have neither what the studies say of each other nor the conditions."""
    FITTED.save(tmp_path / "new")
    arrays, header = read_arrays(tmp_path / "new", FORMAT, VERSION)
    del header["conditions"]
    plain = {name: array for name, array in arrays.items() if "reliability" not in name}
    write_arrays(tmp_path / "old", plain, FORMAT, 2, header)
    loaded = FittedPrior.load(tmp_path / "old")
    assert len(plain) < len(arrays) and not loaded.reliabilities
    assert_as_on_demand(loaded)
    assert loaded.conditions == FITTED.conditions
    for outcome in OUTCOMES:
        np.testing.assert_array_equal(loaded.reliability(outcome), FITTED.reliability(outcome))


def test_what_the_studies_cannot_have_said_is_refused(tmp_path: Path) -> None:
    (tasks, said), *_ = FITTED.reliabilities.items()
    for wrong in (
        {(*tasks[:-1], 99): said},
        {tasks[:-1]: said},
        {tasks: said._replace(signal=said.signal + 1.0)},
    ):
        replace(FITTED, reliabilities=wrong).save(tmp_path / "file")
        with pytest.raises(ValueError, match="holds no prior studies that can be used"):
            FittedPrior.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"parent": 3}, "no condition among 3 parameters"),
        ({"cells": (0.0,)}, "no condition among 3 parameters"),
        ({"cells": (0.0, np.nan)}, "no condition among 3 parameters"),
        ({"parent": 2}, "come before those of their parents"),
    ],
)
def test_conditions_that_cannot_be_are_refused(
    tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    (condition,) = FITTED.conditions
    assert (condition.child, condition.parent, condition.cells) == (2, 0, (0.0, 1.0))
    replace(FITTED, known_conditions=(replace(condition, **wrong),)).save(tmp_path / "file")
    with pytest.raises(ValueError, match=told):
        FittedPrior.load(tmp_path / "file")
