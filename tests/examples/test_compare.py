"""The comparison that all applications share, on a toy that takes no time to train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
import torch
from torch import nn

from examples.common import Application
from examples.common import compare
from examples.common import Job
from examples.common import Options
from examples.common import Task
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


def run(toy: Toy, folder: Path, prior_trials: int = N_TRIALS["prior"]) -> None:
    options = Options(folder, seeds=1, trials=N_TRIALS["new"], prior_trials=prior_trials)
    priors = [Task("five", 5.0), Task("six", 6.0)]
    compare(application(toy), Task("new", 5.5), priors, [Task("minus nine", -9.0)], options)


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
