from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from torch import nn

from benchmarks.weights import report
from benchmarks.weights import run
from benchmarks.weights import study
from benchmarks.weights.__main__ import main
from benchmarks.weights.domains import DOMAINS
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore


PARAMS = {"lr": 3e-4, "batch_size": 8, "label_smoothing": 0.1, "weight_decay": 1e-6}


def test_trials_of_one_seed_are_the_same_and_start_where_they_are_told(tmp_path: Path) -> None:
    domain = DOMAINS["digits"].make(Path(), 5, 0)._replace(head=())
    lab = study.Lab(domain, CheckpointStore(tmp_path), 0, run.Plan(trials=1))
    model = domain.new.model.build(seed=99)
    start = Checkpoint.from_model(model)

    def trained(start_at: Checkpoint | None, steps: int) -> optuna.trial.FrozenTrial:
        sampler = optuna.samplers.PartialFixedSampler(PARAMS, optuna.samplers.RandomSampler())
        return lab.study(steps, sampler, lambda _: start_at).trials[0]

    (first, second), other = (trained(None, 3) for _ in "ab"), trained(start, 0)
    assert first.values == second.values
    assert first.user_attrs["accuracy"] == second.user_attrs["accuracy"]
    x, y = domain.new.valid
    loss = float(nn.functional.cross_entropy(model(x), y).detach())
    assert other.values[0] == pytest.approx(loss)
    assert "optuna_meta:weights_from" in other.user_attrs
    next(model.parameters()).data.fill_(float("nan"))
    assert study.judged(domain.kind, model, domain.new.valid)[0] == 20.0  # It diverged.


def test_the_incumbent_is_chosen_by_validation() -> None:
    worse = [[(2.0, 0.5), (1.0, 0.4)], [(1.0, 0.7), (3.0, 0.9)]]
    rows = [
        ("digits", 5, seed, arm, number, 30, "scratch", *trial, "", 0.0, 0)
        for arm, seeds in ((study.AGAINST, worse), ("b", [[(1.0, 0.8)] * 2] * 2))
        for seed, trials in enumerate(seeds)
        for number, trial in enumerate(trials)  # Its loss and accuracy.
    ]
    table = pd.DataFrame(rows, columns=[*study.COLUMNS])
    assert report.incumbents(table).loc[study.AGAINST].values.tolist() == [[0.5, 0.4], [0.7, 0.7]]
    gains = np.array([0.8 - 0.4, 0.8 - 0.7])
    error = gains.std(ddof=1) / np.sqrt(2)
    assert (
        f"| b | 30 | 0.800 ± 0.000 |  |  |  |  | +0.250 ± {error:.3f} | 2 of 2 |"
        in report.report(table)
    )


def test_the_gain_of_what_chose_is_over_scratch_with_the_steps_of_choosing() -> None:
    rows = [
        ("digits", 5, 0, arm, 0, steps, "", 1.0, accuracy, "", 0.0, choosing)
        for arm, steps, accuracy, choosing in [
            (study.AGAINST, 90, 0.1, 0),
            ("scratch", 30, 0.2, 0),
            (study.EQUAL, 45, 0.5, 0),
            (study.SHARED, 30, 0.7, 0),
            ("transferred", 30, 0.9, 180),
            ("transferred by LogME", 30, 0.9, 0),
        ]
    ]
    printed = report.report(pd.DataFrame(rows, columns=[*study.COLUMNS]))
    assert "| transferred | 30 | 0.900 | +0.400 | 1 of 1 | +0.200 | 1 of 1 |" in printed
    assert "| transferred by LogME | 30 | 0.900 | +0.700 | 1 of 1 |  |  |" in printed


def test_the_smallest_run_prints_all_studies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trials.csv"
    of = ["--domains", "digits", "--seeds", "1", "--sizes", "2"]
    arguments = ["study", "--smoke", *of, "--out", str(out)]
    main(arguments)
    printed = capsys.readouterr().out
    assert "## digits, 2 images" in printed and "| seed | chosen |" in printed
    rows = pd.read_csv(out)
    assert rows["arm"].nunique() == 10 and len(rows) == 10 * 2 * rows["domain"].nunique()
    assert all(f"| {arm} | " in printed for arm in rows["arm"])
    steps = rows.groupby("arm")["choosing_steps"].first()
    assert steps["transferred"] == 2 * (4 + 2)  # On two folds scratch's, and one candidate's.
    assert set(rows.loc[rows["arm"] == "scratch", "role"]) == {"scratch"}
    before = out.read_bytes()
    main(arguments)  # Nothing is left to do.
    assert out.read_bytes() == before and capsys.readouterr().out == printed
