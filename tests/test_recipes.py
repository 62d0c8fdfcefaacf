"""The recipes of docs/integrations.md that need more than the tests do, where that is installed.

Each is a program beside ``worker.py``, as a reader would have them.
"""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path
import re
import subprocess
import sys

import optuna
from optuna.trial import TrialState
import pytest


PAGE = (Path(__file__).parents[1] / "docs" / "integrations.md").read_text()
BLOCK = re.compile(r"^```(?:python|text)\n(.*?)^```$", re.M | re.S)
NEEDS = {"Dask": ["distributed"], "Ray": ["ray"], "MLflow": ["optuna_integration", "mlflow"]}


def section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, f"The page has no section {name}."
    return found[1]


def run(code: str, folder: Path) -> None:
    program = folder / "program.py"
    program.write_text(code)
    ran = subprocess.run(
        [sys.executable, program.name],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RAY_AUTH_MODE": "disabled",  # Else it writes a token into the home.
            "RAY_USAGE_STATS_ENABLED": "0",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.timeout(900)  # Each starts processes that import much.
@pytest.mark.parametrize("name", NEEDS)
def test_a_recipe_runs_as_a_program(name: str, tmp_path: Path) -> None:
    if absent := [library for library in NEEDS[name] if find_spec(library) is None]:
        pytest.skip(f"{', '.join(absent)} not installed")
    worker, setup = BLOCK.findall(section("The worker"))
    (tmp_path / "worker.py").write_text(worker)
    run("from worker import train, work\n" + setup, tmp_path)
    run("\n".join(BLOCK.findall(section(name))), tmp_path)
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    study = optuna.load_study(storage=storage, study_name="this week")
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 10
