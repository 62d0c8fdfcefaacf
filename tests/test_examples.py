"""The examples, run as a newcomer runs them, in their smallest form."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import optuna
import pytest


EXAMPLES = Path(__file__).parent.parent / "examples"
NEW_STUDIES = ["digits 5-9 | MetaSampler | seed 0", "digits 5-9 | TPESampler | seed 0"]


def run(example: str, *arguments: str, folder: Path) -> str:
    """What the example prints."""
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first_transfer(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What the first example prints, and the URL of the studies that it leaves."""
    folder = tmp_path_factory.mktemp("first_transfer")
    printed = run(
        "first_transfer.py", "--smoke", "--device", "cpu", "--folder", "demo", folder=folder
    )
    return printed, f"sqlite:///{folder / 'demo' / 'first_transfer.db'}"


def test_first_transfer_stores_old_and_new_studies(first_transfer: tuple[str, str]) -> None:
    _, url = first_transfer
    studies = {s.study_name: s for s in optuna.get_all_study_summaries(storage=url)}
    assert list(studies) == ["wine", "breast cancer", *NEW_STUDIES]
    assert [s.n_trials for s in studies.values()] == [6, 6, 4, 4]
    for study in studies.values():
        assert study.user_attrs["optuna_meta:meta_features"]


def test_first_transfer_says_what_each_trial_leaned_on(first_transfer: tuple[str, str]) -> None:
    _, url = first_transfer
    study = optuna.load_study(study_name=NEW_STUDIES[0], storage=url)
    for trial in study.trials:
        assert trial.value is not None and 0.0 <= trial.value <= 1.0
        assert 0.0 <= trial.user_attrs["optuna_meta:plan"]["trust"] <= 1.0
        assert trial.user_attrs["optuna_meta:plan"]["source"]
        assert trial.user_attrs["optuna_meta:plan"]["leaned_on"] in ("wine", "breast cancer")


def test_first_transfer_tunes_momentum_only_for_sgd(first_transfer: tuple[str, str]) -> None:
    _, url = first_transfer
    names = [summary.study_name for summary in optuna.get_all_study_summaries(storage=url)]
    trials = [t for n in names for t in optuna.load_study(study_name=n, storage=url).trials]
    for trial in trials:
        assert ("momentum" in trial.params) == (trial.params["optimizer"] == "sgd")


def test_first_transfer_prints_table_and_dashboard_command(
    first_transfer: tuple[str, str],
) -> None:
    printed, _ = first_transfer
    lines = printed.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("  trials   MetaSampler"))
    rows = [line.split() for line in lines[header + 1 : header + 4]]
    assert [row[0] for row in rows] == ["1", "3", "4"]
    assert all(0.0 <= float(value) <= 1.0 for row in rows for value in row[1:3])
    assert "the seed of the median best value" in printed
    assert "  trust in the prior studies: " in printed
    command = next(line for line in lines if "optuna-dashboard" in line)
    assert command.endswith("optuna-dashboard sqlite:///demo/first_transfer.db")


def test_first_transfer_ends_with_a_report(first_transfer: tuple[str, str]) -> None:
    pytest.importorskip("plotly")
    printed, url = first_transfer
    assert "  demo/first_transfer.html" in printed.splitlines()
    report = Path(url.removeprefix("sqlite:///")).with_suffix(".html")
    assert NEW_STUDIES[0] in report.read_text(encoding="utf-8")


def test_changed_search_space(tmp_path: Path) -> None:
    lines = run("changed_search_space.py", folder=tmp_path).splitlines()
    names = [line.split(",")[0].strip() for line in lines]
    assert names == ["MetaSampler", "TPESampler"] * 3
    losses = [[float(value) for value in line.split(":")[1].split()] for line in lines]
    assert all(len(values) == 6 for values in losses)
    assert all(value > 0.0 for values in losses for value in values)


def test_explain_suggestion(tmp_path: Path) -> None:
    printed = run("explain_suggestion.py", folder=tmp_path)
    explanations = printed.split("--- Before trial ")[1:]
    assert [int(text.split()[0]) for text in explanations] == [0, 3, 10]
    for text in explanations:
        assert "helpful" in text and "misleading" in text


def test_transfer_weights_starts_from_a_prior_network(tmp_path: Path) -> None:
    printed = run("transfer_weights.py", "--folder", "kept", folder=tmp_path)
    told = dict(line.split(": accuracy ") for line in printed.splitlines() if ": acc" in line)
    assert set(told) == {"from scratch", "from mirrored"}
    assert float(told["from mirrored"]) > float(told["from scratch"])
    assert "weights of the studies: {" in printed
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    for trial in optuna.load_study(study_name="from mirrored", storage=url).trials:
        assert trial.user_attrs["optuna_meta:weights_from"]["sources"][0]["study"] == "mirrored"
