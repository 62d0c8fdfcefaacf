from __future__ import annotations

import math
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pandas as pd
import pytest

from optuna_meta.studies.prior import Prior


FRAME = pd.DataFrame(
    {
        "task": ["a", "b", "a", "b", "a"],
        "score": [0.1, 3.0, 0.5, 1.0, 0.3],
        "lr": [0.1, 0.2, 0.3, 0.4, 0.5],
        "layers": [1, 2, 3, 4, 5],
        "kernel": ["rbf", "linear", "rbf", "rbf", "linear"],
        "gamma": [1.0, math.nan, 2.0, 4.0, math.nan],
        "flag": [True, False, True, True, False],
    }
)


def read(frame: pd.DataFrame = FRAME, **options: Any) -> Prior:
    return Prior.from_dataframe(frame, study="task", value="score", **options)


def configurations(prior: Prior, name: str) -> list[dict[str, Any]]:
    task = prior.tasks[prior.names.index(name)]
    return [prior.space.params(row) for row in task.rows]


def test_rows_become_trials_of_their_study() -> None:
    prior = read()
    assert prior.names == ("a", "b") and prior.space.names == (
        "flag",
        "gamma",
        "kernel",
        "layers",
        "lr",
    )
    assert prior.tasks[0].values.tolist() == [0.1, 0.5, 0.3]
    assert configurations(prior, "b") == [
        {"lr": pytest.approx(0.2), "layers": 2, "kernel": "linear", "flag": False},
        {"lr": pytest.approx(0.4), "layers": 4, "kernel": "rbf", "flag": True, "gamma": 4},
    ]
    assert all(task.fingerprint == "" and task.meta_features == {} for task in prior.tasks)


def test_ranges_are_what_the_columns_show() -> None:
    ranges = {d.name: d.distribution() for d in read().space.dimensions}
    assert ranges == {
        "flag": CategoricalDistribution([True, False]),
        "gamma": IntDistribution(1, 4),  # Integers that the empty cells made floats.
        "kernel": CategoricalDistribution(["rbf", "linear"]),
        "layers": IntDistribution(1, 5),
        "lr": FloatDistribution(0.1, 0.5),
    }


def test_given_distributions_overrule_the_columns() -> None:
    given = {"lr": FloatDistribution(1e-3, 1.0, log=True), "layers": IntDistribution(1, 9)}
    space = read(distributions=given).space
    shown = {d.name: d.distribution() for d in space.dimensions}
    assert {name: shown[name] for name in given} == given


def test_maximised_values_are_flipped() -> None:
    values = [t.values for t in read(direction="maximize").tasks]
    for flipped, task in zip(values, read().tasks, strict=True):
        np.testing.assert_array_equal(flipped, -task.values)


def test_rows_without_a_value_are_left_out() -> None:
    frame = FRAME.assign(score=[0.1, 3.0, math.nan, 1.0, math.inf])
    with pytest.warns(
        UserWarning, match="'a' is left out: all its usable trials \\(2\\) have one"
    ):
        assert read(frame).names == ("b",)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "object"])
def test_empty_cells_of_every_kind_are_absent(dtype: str) -> None:
    gamma = pd.array([1, None, 2, 4, None], dtype=dtype)
    score = pd.array([0.1, 3.0, 0.5, 1.0, None], dtype="Float64")
    prior = read(FRAME.assign(gamma=gamma, score=score, kernel=FRAME["kernel"].astype("category")))
    assert [c.get("gamma") for c in configurations(prior, "a")] == [1, 2]
    assert [c["kernel"] for c in configurations(prior, "a")] == ["rbf", "rbf"]


def test_choices_of_one_column_keep_their_types() -> None:
    mixed = pd.Series([True, 1, "1", True, 2.5], dtype=object)
    prior = read(FRAME.assign(kernel=mixed))
    assert repr(prior.space.dimensions[2].choices) == "(True, '1', 2.5, 1)"
    assert [repr(c["kernel"]) for c in configurations(prior, "a")] == ["True", "'1'", "2.5"]


def test_column_names_and_studies_need_not_be_strings() -> None:
    frame = FRAME.rename(columns={"lr": 7}).assign(task=[1, 2, 1, 2, 1])
    prior = read(frame)
    assert prior.names == ("1", "2") and "7" in prior.space.names


def test_meta_features_are_found_by_name() -> None:
    prior = read(meta_features={"a": {"n": 10}, "elsewhere": {"n": 3}})
    assert [dict(t.meta_features) for t in prior.tasks] == [{"n": 10.0}, {}]
    with pytest.raises(ValueError, match="Meta-feature 'n' must be a real number"):
        read(meta_features={"a": {"n": "ten"}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value": "loss"}, r"has no column \['loss'\]; its columns are \['task', 'score'"),
        ({"study": "name"}, r"has no column \['name'\]"),
        ({"distributions": {"c": FloatDistribution(0, 1)}}, r"has no column \['c'\]"),
        ({"direction": "up"}, "direction must be 'minimize' or 'maximize', got 'up'"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prior.from_dataframe(FRAME, **{"study": "task", "value": "score", **options})


def test_useless_columns_are_named() -> None:
    with pytest.raises(ValueError, match="Parameter column 'gamma' is empty: drop it"):
        read(FRAME.assign(gamma=math.nan))
    with pytest.raises(ValueError, match="need different names, got .*'lr', 'lr'"):
        read(FRAME.rename(columns={"layers": "lr"}))
    with pytest.raises(ValueError, match="Column 'task' is empty in some rows"):
        read(FRAME.assign(task=["a", None, "a", "b", "a"]))


def test_an_empty_frame_has_no_study() -> None:
    assert len(read(FRAME[["task", "score"]].iloc[:0])) == 0


def test_a_frame_is_read_and_left_alone() -> None:
    frame = FRAME.copy()
    read(frame)
    pd.testing.assert_frame_equal(frame, FRAME)
