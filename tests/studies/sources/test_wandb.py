"""Runs with the attributes that the manual of W&B names, and the table that it exports.

Where W&B is installed, runs are also its own: of its API, without the server behind it, and
offline ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
import json
from pathlib import Path
import sys
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from optuna_meta.studies.prior import Prior


def run(number: int, **changed: Any) -> SimpleNamespace:
    config = {
        "lr": 10.0 ** -(1 + number % 4),
        "model": {"depth": 1 + number % 3},
        "output": f"/runs/{number}",
        "epochs": 5,
        "_wandb": {"version": 1},
    }
    standard = {
        "name": f"golden-{number}",
        "config": config,
        "summary": SimpleNamespace(_json_dict={"val": {"loss": number / 10}, "_runtime": 3}),
        "state": "finished",
        "sweep": SimpleNamespace(id="abc") if number < 6 else None,
        "group": None,
        "project": "digits",
    }
    return SimpleNamespace(**standard | changed)


RUNS = [*(run(number) for number in range(12)), run(12, state="crashed")]


def frame() -> pd.DataFrame:
    summaries = [r.summary._json_dict for r in RUNS]
    rest = {n: [getattr(r, n) for r in RUNS] for n in ("name", "config", "state")}
    return pd.DataFrame({"summary": summaries, **rest})


def test_runs_are_the_trials_of_their_sweep_or_project() -> None:
    prior = Prior.from_wandb(RUNS, metric="val.loss", direction="minimize")
    assert prior.names == ("abc", "digits") and prior.space.names == ("lr", "model.depth")
    assert [t.values.tolist() for t in prior.tasks] == [
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
        [0.6, 0.7, 0.8, 0.9, 1.0, 1.1],
    ]
    assert prior.space.params(prior.tasks[0].rows[1]) == {
        "lr": pytest.approx(0.01),
        "model.depth": 2,
    }


def test_a_sweep_has_its_runs() -> None:
    sweep = SimpleNamespace(runs=RUNS[:6])
    prior = Prior.from_wandb(sweep, metric="val.loss", direction="maximize")
    assert prior.tasks[0].values.tolist() == [-0.0, -0.1, -0.2, -0.3, -0.4, -0.5]


@pytest.mark.parametrize("is_csv", [False, True])
def test_the_exported_table_is_the_runs(is_csv: bool, tmp_path: Path) -> None:
    table = frame().assign(task=["a"] * 6 + ["b"] * 7)
    if is_csv:
        table.to_csv(tmp_path / "project.csv")
        table = pd.read_csv(tmp_path / "project.csv")
    prior = Prior.from_wandb(table, metric="val.loss", direction="minimize", study="task")
    assert prior.names == ("a", "b") and prior.space.names == ("lr", "model.depth")
    assert [len(t.values) for t in prior.tasks] == [6, 6]


def test_what_never_varies_can_be_kept() -> None:
    prior = Prior.from_wandb(
        RUNS, metric="val.loss", direction="minimize", parameters=["lr", "epochs"]
    )
    assert prior.space.names == ("epochs", "lr")


def test_mistakes_are_named() -> None:
    wanted = r"No run has the metric 'loss' \(did you mean 'val.loss'\?\); there are"
    with pytest.raises(ValueError, match=wanted):
        Prior.from_wandb(RUNS[:6], metric="loss", direction="minimize")
    others = [run(20, sweep=None, group="b", summary={"other": 1.0})]
    with pytest.warns(UserWarning, match="'b' is left out: no finished run has the metric 'val"):
        prior = Prior.from_wandb([*RUNS, *others], metric="val.loss", direction="minimize")
    assert prior.names == ("abc", "digits")
    with pytest.raises(ValueError, match=r"no column \['config', 'summary'\].*Prior.from_csv"):
        Prior.from_wandb(
            pd.DataFrame({"Name": ["a"], "lr": [1]}), metric="l", direction="minimize"
        )
    with pytest.raises(ValueError, match="config and summary must hold dictionaries, got 'x'"):
        Prior.from_wandb(frame().assign(config="x"), metric="l", direction="minimize")
    with pytest.raises(ValueError, match="Wanted are runs of wandb.Api.*, got int"):
        Prior.from_wandb([3], metric="l", direction="minimize")


class LazyRuns:
    """What wandb's API returns since it leaves configurations for later."""

    is_full = False

    def upgrade_to_full(self) -> None:
        self.is_full = True

    def __iter__(self) -> Iterator[SimpleNamespace]:
        assert self.is_full, "A request for each run."
        return iter(RUNS)


def test_runs_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    api = SimpleNamespace(runs={"me/digits": LazyRuns()}.__getitem__)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Api=lambda: api))
    prior = Prior.from_wandb("me/digits", metric="val.loss", direction="minimize")
    assert prior.names == ("abc", "digits")
    with pytest.raises(ConnectionError, match="The runs of 'me/other' cannot be read"):
        Prior.from_wandb("me/other", metric="val.loss", direction="minimize")


needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="W&B is not installed")


@needs_wandb
@pytest.mark.filterwarnings("ignore")
def test_runs_of_its_own_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wandb.apis.public import Run

    monkeypatch.setenv("WANDB_DIR", str(tmp_path))  # Each makes a folder.
    answers = [
        {
            "name": r.name,
            "displayName": r.name,
            "state": r.state,
            "sweepName": None if r.sweep is None else r.sweep.id,
            "group": r.group,
            "config": json.dumps({name: {"value": value} for name, value in r.config.items()}),
            "summaryMetrics": json.dumps(r.summary._json_dict),
        }
        for r in RUNS
    ]
    runs = [Run(None, "me", "digits", a["name"], attrs=a, lazy=False) for a in answers]
    own = Prior.from_wandb(runs, metric="val.loss", direction="minimize")
    prior = Prior.from_wandb(RUNS, metric="val.loss", direction="minimize")
    assert own.names == prior.names and own.space == prior.space
    for one, other in zip(own.tasks, prior.tasks, strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.values.tolist() == other.values.tolist()


@needs_wandb
@pytest.mark.timeout(900)  # It starts a process that imports much.
@pytest.mark.filterwarnings("ignore")
def test_the_table_of_offline_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    settings = wandb.Settings(mode="offline", console="off", silent=True)
    rows = []
    for n in range(4):
        config = {"lr": 10.0**-n, "model": {"depth": 1 + n}}
        with wandb.init(project="digits", config=config, settings=settings) as offline:
            for step in (2, 1):
                offline.log({"loss": float(n * step)})
            rows.append({"config": dict(offline.config), "summary": dict(offline.summary)})
    wandb.teardown()  # Ends its process.
    prior = Prior.from_wandb(pd.DataFrame(rows), metric="loss", direction="minimize")
    assert prior.names == ("wandb",) and prior.space.names == ("lr", "model.depth")
    assert prior.tasks[0].values.tolist() == [0.0, 1.0, 2.0, 3.0]
