"""What `Study.trials_dataframe` exports, and columns that would be misread."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pandas as pd
import pytest

from optuna_meta.studies.prior import Prior


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ["tree", "linear"])
    depth = trial.suggest_int("depth", 1, 8) if kind == "tree" else 0
    trial.report(lr, 0)
    if trial.number == 3:
        raise optuna.TrialPruned
    if trial.number == 4:
        raise ArithmeticError
    return lr + depth


def studied(name: str, seed: int, n_trials: int = 20) -> optuna.Study:
    study = optuna.create_study(study_name=name, sampler=optuna.samplers.RandomSampler(seed=seed))
    study.set_user_attr("team", "a")
    study.optimize(objective, n_trials=n_trials, catch=ArithmeticError)
    study.enqueue_trial({"lr": 0.1})
    return study


STUDIES = [studied("a", 0), studied("b", 1)]
EXPORT = pd.concat([s.trials_dataframe().assign(study_name=s.study_name) for s in STUDIES])


def through_csv(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(frame.to_csv()))  # With the index, as most forget about it.


def configurations(prior: Prior) -> list[list[dict[str, Any]]]:
    return [[prior.space.params(row) for row in task.rows] for task in prior.tasks]


@pytest.mark.parametrize("frame", [EXPORT, through_csv(EXPORT)], ids=["frame", "csv"])
def test_an_export_says_what_the_studies_say(frame: pd.DataFrame) -> None:
    exported = Prior.from_dataframe(frame, study="study_name")
    prior = Prior.from_studies(STUDIES)
    assert exported.names == prior.names == ("a", "b")
    assert exported.space.names == ("depth", "kind", "lr")
    for own, wanted in zip(exported.tasks, prior.tasks, strict=True):
        complete = [i for i in range(len(wanted.values)) if i != 3]
        np.testing.assert_allclose(own.values[complete], wanted.values[complete])
        assert own.values[3] >= np.median(own.values)  # Pruned, at an unknown step.
    for own_study, wanted_study in zip(
        configurations(exported), configurations(prior), strict=True
    ):
        for own_params, params in zip(own_study, wanted_study, strict=True):
            assert own_params.keys() == params.keys()
            assert own_params["kind"] == params["kind"]
            assert own_params["lr"] == pytest.approx(params["lr"])
            assert own_params.get("depth") == params.get("depth")


def test_scales_are_inferred_and_told(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.enable_propagation()
    with caplog.at_level("INFO", "optuna"):
        space = Prior.from_dataframe(EXPORT, study="study_name").space
    optuna.logging.disable_propagation()
    ranges = {d.name: d.distribution() for d in space.dimensions}
    assert isinstance(ranges["lr"], FloatDistribution) and ranges["lr"].log
    assert ranges["depth"] == IntDistribution(1, 8)
    assert ranges["kind"] == CategoricalDistribution(["tree", "linear"])
    line = next(text for text in caplog.messages if "Ranges as the values show them" in text)
    assert "(logarithmic)" in line and "depth 1 to 8;" in line
    assert "20 times apart or more, and the values lie more evenly so" in line
    assert "Objectives: minimize." in line


def test_columns_in_two_levels_are_the_same_export() -> None:
    frame = STUDIES[0].trials_dataframe(multi_index=True)
    flat, nested = (Prior.from_dataframe(f) for f in (STUDIES[0].trials_dataframe(), frame))
    assert nested.names == ("frame",) and nested.space == flat.space
    np.testing.assert_array_equal(nested.tasks[0].rows, flat.tasks[0].rows)


def test_several_objectives_keep_their_names_and_directions() -> None:
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.set_metric_names(["loss", "accuracy"])
    study.optimize(lambda t: (x := t.suggest_float("x", 0, 1), x**2), n_trials=9)
    prior = Prior.from_dataframe(study.trials_dataframe(), direction=["minimize", "maximize"])
    wanted = Prior.from_studies([study])
    assert [t.outcome for t in prior.tasks] == [t.outcome for t in wanted.tasks]
    for own, other in zip(prior.tasks, wanted.tasks, strict=True):
        np.testing.assert_allclose(own.values, other.values)
    with pytest.raises(ValueError, match="one word for each of the value columns"):
        Prior.from_dataframe(study.trials_dataframe(), direction=["minimize"])


def test_an_empty_cell_is_the_choice_none_where_that_is_told() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(
        lambda t: len(str(t.suggest_categorical("size", [None, 0.5, "auto"]))) + t.number,
        n_trials=12,
    )
    told = {"size": CategoricalDistribution([None, 0.5, "auto"])}
    prior = Prior.from_dataframe(through_csv(study.trials_dataframe()), distributions=told)
    shown = [params["size"] for params in configurations(prior)[0]]
    assert shown == [t.params["size"] for t in study.trials]


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"fold": 1}, {}, "Column 'fold' is none of those .* rename it to 'params_fold'"),
        (
            {"params_size": ["0.5", "auto"]},
            {},
            "text, 'auto', and text that spells a value, '0.5'",
        ),
        ({"state": "done"}, {}, "Column 'state' holds 'done': wanted is one of RUNNING, COMPLETE"),
        ({"value": "bad"}, {}, "Value column 'value' holds 'bad' in row 0: a number is wanted"),
        ({"number": 0}, {}, "'number' repeats, so that these are trials of several studies"),
        ({}, {"parameters": ["learning_rate"]}, r"has no column \['learning_rate'\]"),
    ],
)
def test_what_would_be_misread_is_refused(
    changed: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    frame = pd.DataFrame(
        {"number": [0, 1], "value": [1.0, 2.0], "params_lr": [0.1, 0.2], "state": "COMPLETE"}
    )
    assert len(Prior.from_dataframe(frame)) == 1
    with pytest.raises(ValueError, match=message):
        Prior.from_dataframe(frame.assign(**changed), **options)


@pytest.mark.parametrize(
    ("name", "cells", "message"),
    [
        ("number", range(12), "Column 'number' is the name of a trial's number, state or time"),
        ("started", pd.date_range("2026-01-01", periods=12), "Column 'started' holds times"),
        ("run", [f"run-{i}" for i in range(12)], "Column 'run' holds text that never repeats, as"),
        ("Unnamed: 0", range(12), r"drop it, frame.drop\(columns=\['Unnamed: 0'\]\)"),
        ("mean_test_score", 0.5, "scikit-learn's cv_results_: read them by Prior.from_sklearn"),
    ],
)
def test_columns_that_are_no_parameters_are_refused_by_name(
    name: str, cells: Any, message: str
) -> None:
    frame = pd.DataFrame({"loss": np.linspace(0, 1, 12), "lr": np.linspace(0.1, 0.2, 12)})
    with pytest.raises(ValueError, match=message):
        Prior.from_dataframe(frame.assign(**{name: cells}), value="loss")
    named = Prior.from_dataframe(frame.assign(**{name: cells}), value="loss", parameters=["lr"])
    assert named.space.names == ("lr",)


def test_files_are_studies_of_their_names(tmp_path: Path) -> None:
    paths = [tmp_path / f"{study.study_name}.csv" for study in STUDIES]
    for study, path in zip(STUDIES, paths, strict=True):
        study.trials_dataframe().to_csv(path)
    prior = Prior.from_csv(paths, direction="minimize", rename={"lr": "learning_rate"})
    assert prior.names == ("a", "b") and "learning_rate" in prior.space.names
    whole = Prior.from_dataframe(EXPORT, study="study_name")
    np.testing.assert_allclose(prior.tasks[1].values, whole.tasks[1].values)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("kernel,loss\nNone,1\nrbf,2\n")
    with pytest.raises(
        ValueError, match="holds text, 'rbf', and text that spells a value, 'None'"
    ):
        Prior.from_csv(path, value="loss", direction="minimize")
    for choices in (["rbf", None], ["rbf", "None"]):
        told = {"kernel": CategoricalDistribution(choices)}
        prior = Prior.from_csv(path, value="loss", direction="minimize", distributions=told)
        assert [c["kernel"] for c in configurations(prior)[0]] == [choices[1], "rbf"]
    with pytest.raises(ValueError, match=r"none.csv': value= must name the column"):
        Prior.from_csv(path, direction="minimize")


def test_misspelt_options_are_named() -> None:
    with pytest.warns(UserWarning, match="No prior study has a parameter named 'learning'"):
        Prior.from_dataframe(EXPORT, study="study_name", rename={"learning": "lr"})
    with pytest.raises(ValueError, match=r"has no column \['rl'\]"):
        Prior.from_dataframe(
            EXPORT, study="study_name", distributions={"rl": FloatDistribution(0, 1)}
        )
