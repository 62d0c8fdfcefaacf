"""Folders as Ray Tune 2 writes them; where Ray is installed, those of a search of its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.studies.prior import Prior


CONFIGS = [{"lr": 10.0**-i, "net": {"width": 8 * i}, "opt": "sgd"} for i in range(1, 7)]
CURVES = [[9.0, 5.0, 1.0], [8.0, 4.0, 2.0], [9.5, 6.0, 3.0], [9.9], [9.7, 7.0], []]


def reports(curve: Sequence[float]) -> list[dict[str, Any]]:
    return [
        {"loss": v, "training_iteration": i, "done": i == len(curve), "eval": {"acc": -v}}
        for i, v in enumerate(curve, start=1)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, (config, curve) in enumerate(zip(CONFIGS, CURVES, strict=True)):
        trial = tmp_path / "ray_results" / "exp" / f"train_{i:05}"
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps(config))
        lines = [json.dumps(report) + "\n" for report in reports(curve)]
        (trial / "result.json").write_text("".join(lines))
    return tmp_path / "ray_results"


class Grid(list[Any]):
    experiment_path = "/somewhere/exp"


def grid() -> Grid:
    return Grid(
        SimpleNamespace(
            config=config,
            metrics=reports(curve)[-1] if curve else None,
            metrics_dataframe=pd.DataFrame(reports(curve)) if curve else None,
        )
        for config, curve in zip(CONFIGS, CURVES, strict=True)
    )


@pytest.mark.parametrize("kind", ["folder", "experiment", "grid"])
def test_trials_that_were_stopped_early_are_pruned(kind: str, folder: Path) -> None:
    results = {"folder": folder, "experiment": str(folder / "exp"), "grid": grid()}[kind]
    prior = Prior.from_ray(results, metric="loss", direction="minimize")
    assert prior.names == ("exp",) and prior.space.names == ("lr", "net/width")
    params = [prior.space.params(row) for row in prior.tasks[0].rows]
    assert [p["net/width"] for p in params] == [8, 16, 24, 32, 40]
    np.testing.assert_allclose([p["lr"] for p in params], [c["lr"] for c in CONFIGS[:5]])
    values = prior.tasks[0].values
    assert values[:3].tolist() == [1.0, 2.0, 3.0]
    assert (values[3:] >= 3.0).all()  # As bad as the worst, of which they were behind.


def test_nested_metrics_are_found_by_their_path(folder: Path) -> None:
    prior = Prior.from_ray(folder, metric="eval/acc", direction="maximize")
    assert prior.tasks[0].values[:3].tolist() == [1.0, 2.0, 3.0]


def test_a_cut_file_and_a_missing_metric_cost_only_themselves(folder: Path) -> None:
    cut = folder / "exp" / "train_00000" / "result.json"
    cut.write_text(cut.read_text()[:-20])
    (folder / "exp" / "train_00001" / "params.json").write_text("{")
    other = folder / "other" / "train_00000"
    other.mkdir(parents=True)
    (other / "params.json").write_text('{"lr": 0.1}')
    (other / "result.json").write_text('{"accuracy": 1}\n')
    with pytest.warns(UserWarning, match="'other' is left out: no trial reports 'loss'"):
        prior = Prior.from_ray(folder, metric="loss", direction="minimize")
    assert prior.names == ("exp",) and len(prior.tasks[0].values) == 4


@pytest.mark.parametrize("kind", ["folder", "grid"])
def test_a_metric_that_no_trial_reports_is_one_error(kind: str, folder: Path) -> None:
    results = {"folder": folder, "grid": grid()}[kind]
    wanted = r"No run has the metric 'eval/ac' \(did you mean 'eval/acc'\?\); there are \['done',"
    with pytest.raises(ValueError, match=wanted):
        Prior.from_ray(results, metric="eval/ac", direction="maximize")


@pytest.mark.parametrize("wrong", [None, [3]])
def test_what_is_no_result_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a ResultGrid is wanted, got"):
        Prior.from_ray(wrong, metric="loss", direction="minimize")
    with pytest.raises(ValueError, match=r"has no params.json in any folder: name the folder"):
        Prior.from_ray(tmp_path, metric="loss", direction="minimize")
    with pytest.raises(ValueError, match="direction must be 'minimize' or 'maximize', got 'min'"):
        Prior.from_ray(tmp_path, metric="loss", direction="min")


@pytest.mark.timeout(900)  # Ray starts several processes.
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_search_of_ray_tune_is_the_same_from_its_folder_and_from_its_grid(
    tmp_path: Path,
) -> None:
    program, results = Path(__file__).with_name("ray_tune.py"), tmp_path / "results"
    with tempfile.TemporaryDirectory(prefix="ray-") as scratch:  # Paths of sockets are short.
        arguments = [str(program), str(results), str(tmp_path / "grid"), scratch]
        subprocess.run(
            [sys.executable, *arguments],
            env={
                **os.environ,
                "RAY_USAGE_STATS_ENABLED": "0",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            check=True,
            timeout=240,
        )
    grid = Prior.load(tmp_path / "grid")
    folder = Prior.from_ray(results, metric="loss", direction="minimize")
    assert folder.names == grid.names == ("exp",)
    assert folder.space == grid.space and folder.space.names == ("lr", "net/width")
    (task,), (same,) = folder.tasks, grid.tasks
    order, others = np.lexsort(task.rows.T), np.lexsort(same.rows.T)
    np.testing.assert_array_equal(task.rows[order], same.rows[others])
    np.testing.assert_array_equal(task.values[order], same.values[others])
    best = folder.space.params(task.rows[task.values.argmin()])
    assert best == {"lr": pytest.approx(0.1), "net/width": 8}
    assert min(task.values) == 0.25 and len(task.values) == 6
    assert task.curves is not None and 1 < task.curves.complete.sum() < 6  # Some were stopped.
