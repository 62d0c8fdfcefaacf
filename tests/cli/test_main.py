"""The commands as a user types them, on a real storage."""

from __future__ import annotations

import json
from pathlib import Path
import shlex
import subprocess
import sys
from typing import Any

import numpy as np
import optuna
import pytest
import yaml

from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.cli.main import main
from optuna_meta.cli.main import parser
from tests.toys import bowl
from tests.toys import run
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return abs(lr - 0.02) + (kind == "b")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two studies that can serve, one that cannot, and a new one with three trials."""
    url = f"sqlite:///{tmp_path_factory.mktemp('cli') / 'studies.db'}"
    for seed, name in enumerate(("one", "two")):
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.create_study(storage=url, study_name=name, sampler=sampler)
        study.optimize(objective, n_trials=12)
    optuna.create_study(storage=url, study_name="empty")
    prior = Prior.from_storage(url, ["one", "two"])
    new = optuna.create_study(
        storage=url, study_name="new", sampler=MetaSampler(prior_studies=prior, seed=0)
    )
    new.optimize(objective, n_trials=3)
    return url


@pytest.fixture(scope="module")
def prior_file(url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("prior") / "prior.safetensors")
    assert main(["fit", "--storage", url, "--study-names", "one", "two", "-o", path, "-q"]) == 0
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "-f", "json", "-q"]) == 0
    return json.loads(capsys.readouterr().out)


def test_priors_tells_which_studies_can_serve(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {record["study"]: record for record in answer(capsys, "priors", "--storage", url)}
    assert {name: r["serves"] for name, r in found.items()} == {
        "one": True,
        "two": True,
        "empty": False,
        "new": True,
    }
    assert found["one"]["trials"] == 12 and found["one"]["parameters"] == ["kind", "lr"]
    assert found["empty"]["reason"] == "it has no finished trial with a value"


def test_values_are_split_by_tabs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = answer(capsys, "priors", "--storage", url)
    assert main(["priors", "--storage", url, "-f", "value", "-q"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [len(row) for row in rows] == [len(record) for record in expected]
    assert "it has no finished trial with a value" in {cell for row in rows for cell in row}


def test_priors_tells_what_is_shared_with_a_study(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys, "priors", "--storage", url, "--study-name", "new", "--rename", "lr=rate"
    )
    assert [record["study"] for record in found] == ["one", "two", "empty"]
    assert found[0]["shared"] == ["kind"] and found[0]["not_shared"] == ["lr", "rate"]
    assert found[0]["objectives_matched"] == "1 of 1"


def test_fit_writes_a_file_and_brings_it_up_to_date(
    url: str, prior_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert FittedPrior.load(prior_file).study_names == ("one", "two")
    (record,) = answer(capsys, "fit", "--storage", url, "-o", prior_file + "2")
    assert record["studies"] == 3 and record["trials"] == 27
    before = FittedPrior.load(prior_file + "2")
    answer(capsys, "fit", "--storage", url, "-o", prior_file + "2", "--update")
    after = FittedPrior.load(prior_file + "2")
    assert after.study_names == before.study_names == ("new", "one", "two")
    np.testing.assert_array_equal(after.parameters.precisions, before.parameters.precisions)


def test_preview_spends_no_trial(
    url: str, prior_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys,
        "preview",
        "--storage",
        url,
        "--study-name",
        "new",
        "--prior",
        prior_file,
        "-n",
        "2",
    )
    assert len(found) == 2 and all(set(r["params"]) == {"lr", "kind"} for r in found)
    study = optuna.load_study(study_name="new", storage=url)
    assert len(study.trials) == 3


def test_preview_names_no_study_where_none_has_a_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'cold.db'}"
    for name, objective in (("old", bowl()), ("cold", bowl(0.9, sign=-1.0))):
        run(objective, 14, study_name=name, storage=url)
    named = ["--storage", url, "--study-name", "cold", "--prior-storage", url]
    (found,) = answer(capsys, "preview", *named, "-n", "1")
    assert found["source"] == "cold start" and found["leans_on"] == []


def test_explain_tells_of_the_next_and_of_a_past_trial(
    url: str, prior_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--storage", url, "--study-name", "new"]
    assert main(["explain", *named, "--prior", prior_file, "-q"]) == 0
    text = capsys.readouterr().out
    assert "prior study" in text and "one" in text
    (past,) = answer(capsys, "explain", *named, "--trial", "2")
    trial = optuna.load_study(study_name="new", storage=url).trials[2]
    assert past["number"] == 2 and past["params"]["kind"] == trial.params["kind"]
    (coming,) = answer(capsys, "explain", *named, "--prior-storage", url)
    assert {prior["study"] for prior in coming["priors"]} <= {"one", "two"}
    assert set(coming["predicted"][0]) == {"mean", "low", "high"}
    assert main(["explain", *named, "--trial", "9", "-q"]) == 1
    assert "error: " in capsys.readouterr().err


def test_what_was_dropped_when_has_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'told.db'}"
    agreement = {"old": [0.5, 9]}
    records = [record(shares={"old": 0.5}), record(0.05, agreement=agreement)]
    recorded_study(records, storage=url)
    named = ["explain", "--storage", url, "--study-name", "recorded", "--trial", "1"]
    (prior,) = answer(capsys, *named)[0]["priors"]
    dropped = {"number": 1, "trust": 0.05, "share": 0.5, "last_used": 0, "is_alone": True}
    assert prior["dropped"] == dropped
    assert main(named) == 0 and "0.50 of 9 trials" in capsys.readouterr().out


@pytest.fixture(scope="module")
def alone(url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The new study in a storage of its own, without its prior studies."""
    other = f"sqlite:///{tmp_path_factory.mktemp('alone') / 'new.db'}"
    optuna.copy_study(from_study_name="new", from_storage=url, to_storage=other)
    return other


def test_missing_prior_studies_are_asked_for_and_nothing_is_called_cold(
    alone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--storage", alone, "--study-name", "new", "-q"]
    asked = "have recorded are not here (one, two): --prior FILE or --prior-storage STORAGE"
    assert main(["explain", *named]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("trial 2: ") and "cold" not in told.out
    assert asked in told.err and "Told is trial 2" in told.err
    assert main(["preview", *named]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: The prior") and asked in told.err
    pytest.importorskip("plotly", reason="figures need Plotly")
    path = tmp_path / "report.html"
    assert main(["report", *named, "-o", str(path)]) == 0
    assert asked in capsys.readouterr().err
    assert "None of them helped" not in path.read_text(encoding="utf-8")


def test_some_missing_prior_studies_are_warned_of(
    alone: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "prior")
    named = ["--storage", alone, "--study-name", "new", "-q"]
    assert main(["fit", "--storage", url, "--study-names", "two", "-o", path, "-q"]) == 0
    capsys.readouterr()
    assert main(["explain", *named, "--prior", path]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("next suggestion: ")
    assert "Some prior studies" in told.err and "are not here (one)" in told.err
    assert main(["explain", *named, "--prior-storage", url]) == 0
    assert "not here" not in capsys.readouterr().err


def test_features_are_told_and_recorded(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b,label\n" + "\n".join(f"{i},{i % 3},{'xy'[i % 2]}" for i in range(30)))
    found = answer(
        capsys,
        *("features", str(path), "--target", "label", "--groups", "simple"),
        *("--storage", url, "--study-name", "empty"),
    )
    values = {record["feature"]: record["value"] for record in found}
    assert values["nr_inst"] == 30 and values["nr_attr"] == 2
    study = optuna.load_study(study_name="empty", storage=url)
    assert study.user_attrs["optuna_meta:meta_features"]["nr_inst"] == 30
    assert main(["features", str(path), "--target", "y"]) == 1
    assert "no column 'y'; its columns are ['a', 'b', 'label']" in capsys.readouterr().err


def test_migrate_says_what_is_carried_over_and_how_to_go_on(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["migrate", "--storage", url, "--study-name", "one", "--to", "one again"]
    changes = ["--set", 'kind=["a", "c"]', "--set", "lr=float 1e-5 1 log"]
    changes += ["--set", "width=int 1 64", "--default", "width=8"]
    assert main([*arguments, *changes, "-f", "json", "-q"]) == 0
    told = capsys.readouterr()
    rows = json.loads(told.out)
    old = optuna.load_study(study_name="one", storage=url).trials
    assert [row["carried_over"] for row in rows] == [t.params["kind"] == "a" for t in old]
    assert "study_name='one again', storage=storage, sampler=MetaSampler())" in told.err
    assert "Leave out 'one': trials that both have would count twice" in told.err
    new = optuna.load_study(study_name="one again", storage=url)
    assert len(new.trials) == sum(row["carried_over"] for row in rows)
    assert {t.params["width"] for t in new.trials} == {8}
    assert main([*arguments, *changes, "-q"]) == 1  # It is there already.
    optuna.delete_study(study_name="one again", storage=url)


@pytest.mark.parametrize("text", ["lr=float 1", "lr=real 1 2", "lr=float a b", "lr=[1", "lr"])
def test_a_range_that_says_nothing_is_refused(
    text: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--storage", url, "--study-name", "one", "--to", "x"]
    assert main(["migrate", *named, "--set", text, "-q"]) == 1
    assert "got '" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["priors"], "Name the storage: --storage URL, or set OPTUNA_STORAGE"),
        (["priors", "--storage", "sqlite:///none.db"], "No SQLite file at 'none.db'"),
        (["explain", "--storage", "URL", "--study-name", "x"], "no study named 'x'; it has"),
        (["priors", "--storage", "URL", "--rename", "lr"], "--rename needs a name, '=' and"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_one(
    arguments: list[str],
    message: str,
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    assert main([url if argument == "URL" else argument for argument in arguments]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: ") and message in told.err


def test_the_storage_may_be_set_once(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    assert len(answer(capsys, "priors")) == 4


def test_all_formats_tell_the_same(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = {}
    for form in ("value", "table", "json", "yaml"):
        assert main(["priors", "--storage", url, "-f", form, "-q"]) == 0
        told[form] = capsys.readouterr().out
    assert yaml.safe_load(told["yaml"]) == json.loads(told["json"])
    rows = [line for line in told["table"].splitlines() if line.startswith("|")]
    assert len(rows) == 5 and len({len(row) for row in rows}) == 1
    assert len(told["value"].splitlines()) == 4 and "two\tyes\t12\tkind, lr\t0" in told["value"]


def test_no_study_that_serves_is_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    optuna.create_study(storage=url, study_name="empty")
    assert main(["priors", "--storage", url]) == 1
    assert main(["fit", "--storage", url, "-o", str(tmp_path / "prior")]) == 1
    told = capsys.readouterr().err
    assert "warning: Prior study 'empty' is left out" in told
    assert "error: No study can serve" in told and "Traceback" not in told


@pytest.mark.parametrize(
    "command",
    ["priors", "fit", "preview", "explain", "report", "features", "migrate"]
    + [f"checkpoints {kind}" for kind in ("list", "verify", "prune", "export")],
)
def test_help_ends_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    _, _, example = capsys.readouterr().out.partition("example:\n")
    assert example.startswith(f"  optuna-meta {command} ")
    arguments = shlex.split(example.replace("\\\n", ""))[1:]
    assert callable(parser().parse_args(arguments).run)


def test_arguments_that_are_no_command_are_exit_code_two() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["prior"])
    assert ended.value.code == 2


def test_a_pipe_that_closes_ends_quietly(url: str) -> None:
    """What reads the output may have seen enough: `optuna-meta priors | head -1`."""
    script = "import sys; from optuna_meta.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "priors", "--storage", url, "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(timeout=120) == 141 and errors == b""
