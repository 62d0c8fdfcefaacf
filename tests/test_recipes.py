"""The recipes of docs/integrations.md that need more than the tests do, where that is installed.

Each is a program of the page's first block and its own, as a reader would put them together.
"""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path
import re
import subprocess
import sys

import optuna
import pytest


PAGE = (Path(__file__).parents[1] / "docs" / "integrations.md").read_text()
WORKER = re.search(r"^## The worker\n.*?^```python\n(.*?)^```$", PAGE, re.M | re.S)
NEEDS = {"Dask": ["distributed"], "Ray": ["ray"], "MLflow": ["optuna_integration", "mlflow"]}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NEEDS)
def test_a_recipe_runs_as_a_program(name: str, tmp_path: Path) -> None:
    if absent := [library for library in NEEDS[name] if find_spec(library) is None]:
        pytest.skip(f"{', '.join(absent)} not installed")
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert WORKER and section
    blocks = re.findall(r"^```text\n(.*?)^```$", section[1], re.M | re.S)
    program = tmp_path / "program.py"
    program.write_text("\n\n".join([WORKER[1], *blocks]))
    ran = subprocess.run(
        [sys.executable, program.name],
        cwd=tmp_path,
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
    study = optuna.load_study(
        storage=f"sqlite:///{tmp_path / 'studies.db'}", study_name="this week"
    )
    assert len(study.trials) == 10
