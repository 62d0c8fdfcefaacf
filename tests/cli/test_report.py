from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.cli.main import main


pytest.importorskip("plotly", reason="figures need Plotly")


def objective(trial: optuna.Trial) -> float:
    return abs(trial.suggest_float("x", 0, 1) - 0.3)


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    for seed, name in enumerate(("one", "two")):
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.create_study(storage=url, study_name=name, sampler=sampler)
        study.optimize(objective, n_trials=10)
    sampler = MetaSampler(prior_studies=Prior.from_storage(url), seed=0)
    new = optuna.create_study(storage=url, study_name="new", sampler=sampler)
    new.optimize(objective, n_trials=3)
    return url


@pytest.mark.parametrize("more", [[], ["--from-records"]])
def test_a_report_is_one_file(
    more: list[str], url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.html"
    arguments = ["report", "--storage", url, "--study-name", "new", "-o", str(path), "-q"]
    assert main([*arguments, *more]) == 0
    text = path.read_text(encoding="utf-8")
    assert "new" in text and "one" in text and text.lstrip().lower().startswith("<!doctype html")
    assert capsys.readouterr().out == f"{path}\n"


def test_a_report_is_published_on_the_study(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna_dashboard", reason="the dashboard shows it")
    assert main(["report", "--storage", url, "--study-name", "new", "-q"]) == 0
    assert "open study 'new' in optuna-dashboard" in capsys.readouterr().out
    storage = optuna.storages.RDBStorage(url)
    names = storage.get_study_system_attrs(storage.get_study_id_from_name("new"))
    assert any("note" in name for name in names)
