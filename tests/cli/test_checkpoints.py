from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from optuna_meta.cli.main import main
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore


@pytest.fixture
def kept(tmp_path: Path) -> list[str]:
    """Arguments that name a study of four trials, each with a model, the third the best."""
    url, folder = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "files"
    store = CheckpointStore(folder)

    def objective(trial: optuna.Trial) -> float:
        value = abs(trial.number - 2.0)
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(model.weight, trial.number)
        store.save(trial, model, value=value)
        return value + 0.0 * trial.suggest_float("x", 0, 1)

    study = optuna.create_study(storage=url, study_name="new")
    study.optimize(objective, n_trials=4)
    return ["--storage", url, "--study-name", "new", "--store", str(folder), "-q"]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["checkpoints", *arguments, "-f", "json"]) == code
    return json.loads(capsys.readouterr().out)


def test_of_no_checkpoints_nothing_is_printed(
    kept: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.create_study(storage=kept[1], study_name="other")
    named = [*kept[:3], "other", *kept[4:]]
    for form in ("table", "value"):
        assert main(["checkpoints", "list", *named, "-f", form]) == 0
        assert capsys.readouterr().out == ""


def test_the_best_come_first_and_others_are_pruned(
    kept: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [r["trial"] for r in answer(capsys, "list", *kept)] == [2, 1, 3, 0]
    removed = answer(capsys, "prune", *kept, "--save-top-k", "1")
    assert sorted(record["trial"] for record in removed) == [0, 1, 3]
    assert [r["trial"] for r in answer(capsys, "list", *kept)] == [2]


def test_a_damaged_checkpoint_is_exit_code_one(
    kept: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert {r["status"] for r in answer(capsys, "verify", *kept)} == {"intact"}
    listed = answer(capsys, "list", *kept)
    path = Path(kept[5]) / listed[0]["artifact_id"]
    path.write_bytes(path.read_bytes()[:-1])
    found = answer(capsys, "verify", *kept, code=1)
    assert sorted(record["status"] for record in found) == ["damaged"] + ["intact"] * 3


@pytest.mark.parametrize(("named", "weight"), [([], 2.0), (["--trial", "3"], 3.0)])
def test_a_checkpoint_becomes_a_file(
    named: list[str],
    weight: float,
    kept: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(tmp_path / "best.safetensors")
    answer(capsys, "export", *kept, "-o", path, *named)
    assert Checkpoint.load_file(path).state["weight"].item() == weight


def test_what_is_not_there_is_named(
    kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "x")
    assert main(["checkpoints", "export", *kept, "-o", path, "--trial", "9"]) == 1
    assert "Study 'new' has no checkpoint of trial 9" in capsys.readouterr().err
    kept[5] = str(tmp_path / "none")
    assert main(["checkpoints", "list", *kept]) == 1
    assert "No folder at" in capsys.readouterr().err and not Path(kept[5]).exists()
