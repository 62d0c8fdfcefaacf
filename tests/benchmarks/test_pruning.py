"""The benchmark of pruning: its arithmetic, and one small run of each command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from benchmarks.pruning import folds
from benchmarks.pruning import spend
from benchmarks.pruning.curves import curve_of
from benchmarks.pruning.curves import CurveTable
from benchmarks.pruning.priors import study_of
from benchmarks.pruning.replay import play
from benchmarks.pruning.replay import reached
from benchmarks.pruning.replay import report
from benchmarks.pruning.replay import Step
from benchmarks.pruning.search import report as search_report
from benchmarks.pruning.train import configuration
from benchmarks.pruning.train import curve
from benchmarks.pruning.train import learning_rate
from benchmarks.pruning.train import N_EPOCHS
from benchmarks.pruning.train import Split


def table(n: int = 60, n_steps: int = 6) -> CurveTable:
    finals = np.random.default_rng(0).permutation(n) / n
    values = finals[:, None] + np.linspace(1.0, 0.0, n_steps)
    seconds = np.tile(np.arange(1.0, n_steps + 1.0), (n, 1))
    return CurveTable("t", "minimize", [{"x": float(x)} for x in finals], values, seconds)


def test_without_pruning_every_trial_takes_all_its_epochs() -> None:
    steps = play(table(), np.arange(60), optuna.pruners.NopPruner(), table().values)
    assert [s.epochs for s in steps[:3]] == [6, 12, 18]
    assert len(steps) == 40
    np.testing.assert_allclose([s.loss for s in steps], table().losses[:40])


def test_the_median_pruner_stops_some() -> None:
    steps = play(table(), np.arange(60), optuna.pruners.MedianPruner(), table().values)
    assert any(np.isinf(s.loss) for s in steps)
    assert steps[39].epochs < 240


def test_only_what_ended_within_the_budget_counts() -> None:
    steps = [Step(5, 1.0, 3.0), Step(9, 2.0, 1.0), Step(12, 3.0, 0.0)]
    assert reached(steps, [s.epochs for s in steps], 9) == 1.0
    assert reached(steps, [s.epochs for s in steps], 4) == np.inf


def test_permuted_prior_studies_have_the_same_values_elsewhere() -> None:
    studies = [study_of(table(), p, np.random.default_rng(1)) for p in (False, True)]
    values = [[t.value for t in study.trials] for study in studies]
    assert values[0] != values[1]
    assert sorted(values[0]) == sorted(values[1])


def test_regret_is_0_at_the_best_and_1_at_the_median() -> None:
    losses = table().losses
    assert table().regret(losses.min()) == 0.0
    assert table().regret(float(np.median(losses))) == 1.0


def test_gains_are_against_no_pruning_of_the_same_run() -> None:
    columns = {"kept": True, "share": 0.5, "by_seconds": 0.1, "milliseconds": 1.0, "priors": ""}
    runs = [
        {"suite": "s", "task": t, "seed": 0, "pruner": p, "by_epochs": r, **columns}
        for t, pair in enumerate([(0.4, 0.1), (0.2, 0.3)])
        for p, r in zip(("none", "median"), pair, strict=True)
    ]
    line = report(pd.DataFrame(runs)).splitlines()[-1]
    assert line.startswith("| median | 1.000 (0.16 to 1.00) | 0.500 | +0.100 ± 0.200 | 0.500 |")


def test_networks_learn_and_schedules_anneal() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    y = np.eye(2)[(X[:, 0] > 0.0).astype(int)]
    row = configuration(rng) | {"learning_rate": 0.1, "schedule": "cosine", "batch_size": 32}
    values, seconds = curve(Split(X, y, X, y), row, True, 0)
    assert len(values) == len(seconds) == N_EPOCHS
    assert values[-1] > 0.9
    assert learning_rate("cosine", 0.0) == 1.0
    assert learning_rate("warmup", 0.1) < learning_rate("warmup", 0.5)


def test_foreign_files_are_asked_for(tmp_path: Path) -> None:
    from benchmarks.pruning.curves import load_tables

    with pytest.raises(SystemExit, match="pass the --cache FOLDER"):
        load_tables("images", tmp_path, None, "reported")


def test_searches_are_compared_run_by_run() -> None:
    job = {"suite": "s", "seed": 0, "sampler": "tpe"}
    at = {f"{kind} {n}": 0.5 for kind in ("epochs", "seconds") for n in (7, 13, 20, 40)}
    runs = [
        {**job, **at, "task": t, "pruner": p, "epochs 40": 0.1 * t - gain}
        for t in range(5)
        for p, gain in (("none", 0.0), ("meta", 0.25))
    ]
    text = search_report(pd.DataFrame(runs))
    assert "tpe/meta at epochs 40 less tpe/none at epochs 40: -0.250 ± 0.000" in text
    assert "meta-cost" not in text


def test_folds_are_what_their_running_means_are_of() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    data = folds.Labelled(X, np.eye(2)[(X[:, 0] > 0.0).astype(int)])
    row = {"kernel": "rbf", "gamma": 0.1, "ridge": 0.1}
    means, seconds = folds.curve(data, row)
    assert len(means) == len(seconds) == folds.N_FOLDS
    assert means[-1] < 0.25
    single = folds.of_folds(np.array([means]))[0]
    assert single[0] == means[0]
    assert single.mean() == pytest.approx(means[-1])


def test_where_a_table_is_all_there_is_the_nearest_configuration_is_run() -> None:
    known = table()
    trial = optuna.create_study().ask()
    values, seconds = curve_of("texts", Path(), known)(trial)
    off = [abs(c["x"] - trial.params["x"]) for c in known.configurations]
    np.testing.assert_array_equal(values, known.values[np.argmin(off)])
    assert seconds[-1] == 6.0


def test_seconds_are_spent_until_the_budget_ends() -> None:
    priced = spend.Priced(
        "t",
        1.0,
        lambda trial: {"x": trial.suggest_float("x", 0.0, 1.0)},
        lambda params: (params["x"], 10.0),
    )
    study = priced.create_study(optuna.samplers.RandomSampler(seed=0))
    steps = spend.spend(study, priced, 45.0, 100)
    assert len(steps) == 5
    assert 50.0 <= steps[-1].seconds < 60.0
    assert study.trials[2].duration is not None
    assert study.trials[2].duration.total_seconds() == 10.0


def test_counting_costs_is_compared_run_by_run() -> None:
    at = {"at 0.25": 0.5, "at 0.5": 0.5, "trials": 20, "suite": "s", "seed": 0}
    runs = [
        {**at, "task": t, "sampler": s, "at 1": 0.1 * t - gain}
        for t in range(5)
        for s, gain in (("meta-cost", 0.25), ("meta", 0.0))
    ]
    assert spend.report(pd.DataFrame(runs)).splitlines()[-1].endswith("| -0.250 ± 0.000 |")
