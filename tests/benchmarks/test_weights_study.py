from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from benchmarks.weights import study as weights_study
from benchmarks.weights import study_report as weights_study_report
from benchmarks.weights import study_trials as weights_study_trials
from benchmarks.weights.data import digits
from benchmarks.weights.study_report import Line
from benchmarks.weights.study_trials import objective
from benchmarks.weights.study_trials import StudyTask
from optuna_meta.weights import Checkpoint


def task() -> StudyTask:
    domain = digits(shots=5, seed=0)
    return StudyTask("new", domain.train, domain.valid, domain.test, 10, ())


def line(arm: str, seed: int, trial: int, loss: float, accuracy: float) -> Line:
    return Line("digits", seed, arm, trial, 30, "scratch", loss, accuracy, "", 0.0, 0)


def test_trials_of_one_seed_are_the_same_and_start_where_they_are_told() -> None:
    new, params = task(), {"lr": 3e-4, "batch_size": 8, "label_smoothing": 0.1}
    params["weight_decay"] = 1e-6
    start = Checkpoint.from_model(new.build(seed=99))

    def run(start_at: Checkpoint | None, steps: int) -> optuna.trial.FrozenTrial:
        study = optuna.create_study()
        study.enqueue_trial(params)
        study.optimize(objective(new, steps, 0, start=lambda _: start_at), n_trials=1)
        return study.trials[0]

    first, second, other = run(None, 3), run(None, 3), run(start, 0)
    assert first.values == second.values
    assert first.user_attrs["accuracy"] == second.user_attrs["accuracy"]
    logits = new.build(seed=99)(new.valid.x)
    assert other.values[0] == pytest.approx(
        float(nn.functional.cross_entropy(logits, new.valid.y).detach())
    )
    assert "optuna_meta:weights_from" in other.user_attrs


def test_a_diverged_network_has_the_worst_loss() -> None:
    model = task().build()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    assert weights_study_trials._judged(model, task().valid)[0] == 20.0


def test_steps_of_any_optimiser_are_counted() -> None:
    model = nn.Linear(1, 1)
    with weights_study_trials._counting() as spent:
        for kind in (torch.optim.SGD, torch.optim.Adam):
            optimiser = kind(model.parameters(), lr=0.1)
            model(torch.ones(1)).backward()
            optimiser.step()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert spent[1] == 2 and spent[0] >= 0.0


def test_the_incumbent_is_chosen_by_validation() -> None:
    lines = [line("a", 0, n, loss, hit) for n, (loss, hit) in enumerate([(2, 0.5), (1, 0.4)])]
    lines += [line("a", 1, n, loss, hit) for n, (loss, hit) in enumerate([(1, 0.7), (3, 0.9)])]
    assert weights_study_report._curves(lines)["a"].tolist() == [[0.5, 0.4], [0.7, 0.7]]
    better = [line("b", seed, n, 1.0, 0.8) for seed in (0, 1) for n in (0, 1)]
    printed = weights_study_report.table([*lines, *better], "a", (1, 2))
    gains = np.array([0.8 - 0.4, 0.8 - 0.7])
    error = gains.std(ddof=1) / np.sqrt(2)
    assert f"| b | 30 | 0.800 ± 0.000 | 0.800 ± 0.000 | +0.250 ± {error:.3f} | 2 of 2 |" in printed


def test_the_smallest_run_prints_all_studies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trials.csv"
    arguments = ["--smoke", "--seeds", "1", "--shots", "2", "--out", str(out)]
    weights_study.main(arguments)
    printed = capsys.readouterr().out
    assert "## digits, 2 images" in printed and "| seed | chosen |" in printed
    with open(out) as stream:
        lines = list(csv.DictReader(stream))
    arms = {row["arm"]: row for row in lines}
    assert len(arms) == 8 and len(lines) == 8 * 2
    assert all(f"| {arm} | " in printed for arm in arms)
    assert int(arms["transferred"]["choosing_steps"]) == 2 * 2 * 2  # Scratch and one candidate.
    assert {row["role"] for row in lines if row["arm"] == "scratch"} == {"scratch"}
    before = out.read_bytes()
    weights_study.main(arguments)  # Nothing is left to do.
    assert out.read_bytes() == before and capsys.readouterr().out == printed
    out.write_text("a,b\n")
    with pytest.raises(ValueError, match="of another kind of run"):
        weights_study_report.read(out)
