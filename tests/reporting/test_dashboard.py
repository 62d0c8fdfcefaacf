"""The real optuna-dashboard in a real browser, on a study that was really run.

``python -m tests.reporting.screenshots`` takes the pictures of the documentation in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re
from typing import NamedTuple
import urllib.error
import urllib.request

import numpy as np
import optuna
from optuna.artifacts import get_all_artifact_meta
import pytest

from optuna_meta.replay.saving import Saving
from optuna_meta.reporting import publish_report
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from tests.reporting.scene import Browser
from tests.reporting.scene import dashboard
from tests.reporting.scene import run_study


pytest.importorskip("optuna_dashboard")
pytest.importorskip("plotly")
SAVING = Saving(5, 0.1, np.array([9.0, 12.0, 30.0]), 30, courses=np.full((3, 30), 0.2))


class Scene(NamedTuple):
    study: optuna.Study
    store: CheckpointStore
    url: str  # of the dashboard


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    study, store = run_study(folder, n_trials=9)
    publish_report(study, saving=SAVING)
    with dashboard(f"sqlite:///{folder / 'studies.db'}", folder / "artifacts") as url:
        yield Scene(study, store, url)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(tmp_path_factory.mktemp("profile"))


def page(scene: Scene, name: str) -> str:
    return f"{scene.url}/dashboard/studies/{scene.study._study_id}{name}"


def test_the_note_is_shown_as_text_and_tables(scene: Scene, browser: Browser) -> None:
    dom = browser.dom(page(scene, "/note"))
    assert re.search(r"<h2[^>]*>What earlier studies did for <code[^>]*>new task</code>", dom)
    assert "It has saved about 7 trials" in dom and "optuna-meta begins" not in dom
    assert re.search(r"<td[^>]*><code[^>]*>twin</code>", dom) and "How to read it" in dom


def test_figures_are_drawn_and_not_empty(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    dom = browser.dom(page(scene, ""))
    shown = set(re.findall(r'data-unformatted="([^"]*)"', dom))
    titles = {
        "Trust in the prior studies",
        "This study and its prior studies",
        "Prior studies by similarity",
        "Where the trials' weights came from",
    }
    assert titles <= shown and {"trust", "this study", "cold start (estimate)"} <= shown
    # The dashboard's own history has two.
    assert dom.count('class="trace scatter') >= 2 + 2 + 6 + 3 + 2
    file = tmp_path / "home.png"
    browser.screenshot(page(scene, ""), file, (1400, 2600))
    assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and file.stat().st_size > 50_000


def test_attributes_have_columns(scene: Scene, browser: Browser) -> None:
    dom = browser.dom(page(scene, "/smartSelection"))
    columns = re.findall(r"UserAttribute ([\w:]+)", dom)
    attributes = {name for trial in scene.study.trials for name in trial.user_attrs}
    assert attributes and attributes <= set(columns)
    assert "optuna_meta:unrecorded" not in columns


def test_a_checkpoint_is_downloaded_whole(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    best = scene.store.records(scene.study)[0]
    dom = browser.dom(page(scene, f"/trials?numbers={best.trial}"))
    (link,) = re.findall(r'href="(/artifacts/[^"]*)"', dom)
    with urllib.request.urlopen(f"{scene.url}{link}", timeout=60) as answer:
        assert answer.status == 200
        (tmp_path / "downloaded").write_bytes(answer.read())
    checkpoint = Checkpoint.load_file(tmp_path / "downloaded")
    assert checkpoint.metadata.sha256 == best.weights.sha256
    assert checkpoint.metadata.trial == best.trial


def test_only_checkpoints_that_exist_are_listed(scene: Scene) -> None:
    """Asked as a browser asks: what is listed is there, and what has gone is not."""
    records = scene.store.records(scene.study)
    kept = {record.weights.artifact_id for record in records}
    assert len(kept) == 2
    address = f"{scene.url}/api/studies/{scene.study._study_id}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        told = answer.read().decode()
    listed = set(re.findall(r'"artifact_id": ?"([\w-]+)"', told))
    assert listed == kept
    for trial in scene.study.trials:
        assert get_all_artifact_meta(trial, storage=scene.study._storage) == []
    assert get_all_artifact_meta(scene.study) == []
    unknown = f"{scene.url}/artifacts/{scene.study._study_id}/{scene.study.trials[0]._trial_id}"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{unknown}/00000000-0000", timeout=60)
