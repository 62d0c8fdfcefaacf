"""The comparison that all applications share, on a toy that takes no time to train."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
from dataclasses import make_dataclass
from pathlib import Path
import shutil
import sqlite3
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from torch import nn

from examples.common import Application
from examples.common import compare
from examples.common import Job
from examples.common import Options
from examples.common import parse
from examples.common import Task
from examples.common.fingerprint import data_fingerprint
from examples.common.fingerprint import FINGERPRINT
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import initialize
from optuna_meta.weights import NewTask
from optuna_meta.weights import suggest_start


N_TRIALS = {"prior": 4, "new": 4}


class Toy:
    """One weight that must become the task's number; trials descend towards it a few steps."""

    def __init__(self) -> None:
        self.starts: dict[str, list[object]] = {}

    def objective(self, trial: optuna.Trial, job: Job) -> float:
        start = suggest_start(trial, job.starts) if job.starts else None
        self.starts.setdefault(trial.study.study_name, []).append(start)
        model = build()
        if start is not None:
            initialize(model, start)
        optimizer = torch.optim.SGD(model.parameters(), trial.suggest_float("rate", 1e-3, 0.4))
        for _ in range(3):
            optimizer.zero_grad()
            loss = (model(INPUTS) - job.task.data * INPUTS).square().mean()
            torch.autograd.backward(loss)
            optimizer.step()
        value = loss.item()
        trial.report(value, 0)
        job.store.save(trial, model, value=value)
        return value


INPUTS = torch.linspace(0.5, 1.5, 8)[:, None]


def build() -> nn.Module:
    return nn.Linear(1, 1, bias=False)


def application(toy: Toy) -> Application:
    def new_task(task: Task, *_: object) -> tuple[NewTask, int]:
        return NewTask(build, INPUTS, task.data * INPUTS, nn.functional.mse_loss), 10_000

    def final(checkpoints: Sequence[Checkpoint], job: Job) -> dict[str, float]:
        return {"minus error": -abs(checkpoints[0].state["weight"].item() - job.task.data)}

    return Application(
        name="toy",
        score="loss",
        directions=["minimize"],
        objective=toy.objective,
        features=lambda task: {"number": task.data},
        final=final,
        new_task=new_task,
    )


def run(
    toy: Toy,
    folder: Path,
    n_trials: int = N_TRIALS["new"],
    new: float = 5.5,
    priors: Mapping[str, float] = {"five": 5.0, "six": 6.0},
    unrelated: Mapping[str, float] = {"minus nine": -9.0},
) -> None:
    options = Options(folder, seeds=1, trials=n_trials, prior_trials=N_TRIALS["prior"])
    others = ([Task(*pair) for pair in tasks.items()] for tasks in (priors, unrelated))
    compare(application(toy), Task("new", new), *others, options)


def summaries(folder: Path) -> list[optuna.study.StudySummary]:
    return optuna.get_all_study_summaries(f"sqlite:///{folder / 'toy.db'}")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Toy, Path]:
    toy, folder = Toy(), tmp_path_factory.mktemp("toy")
    run(toy, folder)
    return toy, folder


def test_prior_studies_and_new_ones_lie_in_one_database(ran: tuple[Toy, Path]) -> None:
    found = optuna.get_all_study_summaries(f"sqlite:///{ran[1] / 'toy.db'}")
    n_trials = {study.study_name: study.n_trials for study in found}
    new = [f"new | {way} | seed 0" for way in ("transfer", "without", "unrelated")]
    priors = dict.fromkeys(("five", "six", "minus nine"), N_TRIALS["prior"])
    assert n_trials == priors | dict.fromkeys(new, N_TRIALS["new"])
    known = {
        study.study_name for study in found if "optuna_meta:meta_features" in study.user_attrs
    }
    assert known == {*n_trials} - {name for name in new if "without" in name}


def test_only_studies_with_transfer_start_from_weights(ran: tuple[Toy, Path]) -> None:
    toy, _ = ran
    assert any(toy.starts["new | transfer | seed 0"])
    assert not any(toy.starts["new | without | seed 0"])
    assert not any(toy.starts["five"])  # The first one has none before it.


def test_samplers_learn_from_their_own_prior_studies_alone(ran: tuple[Toy, Path]) -> None:
    url = f"sqlite:///{ran[1] / 'toy.db'}"
    for way, names in (("transfer", {"five", "six"}), ("unrelated", {"minus nine"})):
        study = optuna.load_study(study_name=f"new | {way} | seed 0", storage=url)
        leaned = {trial.user_attrs["optuna_meta:plan"].get("leaned_on") for trial in study.trials}
        assert leaned - {None, ""} <= names


def test_a_second_run_trains_nothing_and_says_the_same(ran: tuple[Toy, Path]) -> None:
    before = (ran[1] / "table.md").read_text()
    again = Toy()
    run(again, ran[1])
    assert not again.starts
    assert (ran[1] / "table.md").read_text() == before


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"new": 5.4}, "'new | without | seed 0': data: #"),
        ({"n_trials": 5}, "'new | transfer | seed 0': trials: 4 then, 5 now"),
        ({"priors": {"five": 5.0}}, "'new | transfer | seed 0': prior 'six': 4 trials of #"),
        ({"priors": {"five": 5.0, "six": 6.1}}, "'six': data: #"),
        ({"unrelated": {"ten": 9.0}}, "'new | unrelated | seed 0': prior 'ten': none then, 4 "),
    ],
)
def test_results_of_something_else_are_neither_reused_nor_removed(
    ran: tuple[Toy, Path], changed: dict[str, Any], told: str
) -> None:
    toy, before = Toy(), [(s.study_name, s.n_trials) for s in summaries(ran[1])]
    with pytest.raises(ValueError, match="Pass another --folder, or delete this one") as error:
        run(toy, ran[1], **changed)
    assert told in str(error.value) and not toy.starts
    assert [(s.study_name, s.n_trials) for s in summaries(ran[1])] == before


def test_studies_without_fingerprints_pass_but_for_another_number_of_trials(
    ran: tuple[Toy, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(ran[1], tmp_path / "old"))
    with contextlib.closing(sqlite3.connect(folder / "toy.db")) as database:
        database.execute("DELETE FROM study_user_attributes WHERE key = ?", (FINGERPRINT,))
        database.commit()
    toy = Toy()
    run(toy, folder, new=5.4)
    assert not toy.starts
    with pytest.raises(ValueError, match="trials: 4 then, 5 now"):
        run(toy, folder, n_trials=5)


def test_an_interrupted_study_is_run_anew_and_said_so(
    ran: tuple[Toy, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(ran[1], tmp_path / "old"))
    name = "new | without | seed 0"
    with contextlib.closing(sqlite3.connect(folder / "toy.db")) as database:
        database.execute(
            "DELETE FROM study_user_attributes WHERE key = 'test score' AND study_id = "
            "(SELECT study_id FROM studies WHERE study_name = ?)",
            (name,),
        )
        database.commit()
    toy = Toy()
    run(toy, folder)
    assert [*toy.starts] == [name]
    assert f"{name!r} was interrupted after 4 trials: run anew." in capsys.readouterr().out


def test_without_unrelated_priors_there_is_no_such_row(tmp_path: Path) -> None:
    run(Toy(), tmp_path, n_trials=2, unrelated={})
    text = (tmp_path / "table.md").read_text()
    assert "| transfer |" in text and "unrelated" not in text
    with pytest.raises(ValueError, match="at least one prior task"):
        run(Toy(), tmp_path, priors={})
    with pytest.raises(ValueError, match="a name of its own for each prior task, got 'five'"):
        run(Toy(), tmp_path, unrelated={"five": 1.0})


def test_a_report_is_written_whatever_the_task_is_called(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    options = Options(tmp_path, seeds=1, trials=2, prior_trials=2)
    compare(application(Toy()), Task("low/high: 5", 5.5), [Task("a/b", 5.0)], [], options)
    (report,) = tmp_path.glob("*.html")
    assert report.name == "low_high_ 5, transfer, seed 0.html"


def test_a_tiny_run_has_a_folder_of_its_own() -> None:
    assert parse("toy", None, []).folder == Path("demo/toy")
    assert parse("toy", None, ["--smoke"]).folder == Path("demo/toy-smoke")
    assert parse("toy", None, ["--smoke", "--folder", "mine"]).folder == Path("mine")


def test_a_fingerprint_tells_data_apart_by_shape_and_by_what_they_hold() -> None:
    Data = make_dataclass("Data", ["X", "words", "_cache"])
    X = np.arange(6.0)
    same = [Data(X.reshape(2, 3), {"a": ["b"]}, cache) for cache in (None, 1)]
    others = [
        Data(X.reshape(3, 2), {"a": ["b"]}, None),
        Data(X.reshape(2, 3) + 1e-9, {"a": ["b"]}, None),
        Data(X.reshape(2, 3).astype(np.float32), {"a": ["b"]}, None),
        Data(torch.tensor(X.reshape(2, 3)), {"a": ["c"]}, None),
        Data(pd.DataFrame(X.reshape(2, 3)), {"a": ["b"]}, None),
        Data(pd.DataFrame({"x": ["a", None]}), {"a": ["b"]}, None),
        Data(np.array(["a", 1], object), {"a": ["b"]}, None),
        Data({"a", "b"}, {"a": ["b"]}, None),
    ]
    told = [data_fingerprint(data) for data in (*same, *others)]
    assert told[0] == told[1] and told[0].startswith("(2, 3) #")
    assert len(set(told)) == 1 + len(others)
    many = data_fingerprint([X] * 9)
    assert many.startswith("(6,), " * 6 + "... #")
