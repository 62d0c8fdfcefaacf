"""The tutorial notebook: a form that Jupyter opens, and cells that run from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path
import sys
from types import ModuleType

import pytest


NOTEBOOK = Path(__file__).parents[1] / "examples" / "tutorial.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]


def test_it_has_the_form_that_jupyter_opens_and_no_output() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    required = {"cell_type", "id", "metadata", "source"}
    for cell in CELLS:
        is_code = cell["cell_type"] == "code"
        assert is_code or cell["cell_type"] == "markdown"
        assert cell.keys() == required | ({"execution_count", "outputs"} if is_code else set())
        if is_code:
            assert cell["outputs"] == [] and cell["execution_count"] is None


# What a cell itself is told is an error; what libraries tell each other is not.
@pytest.mark.filterwarnings("ignore", "error:::tutorial")
def test_its_cells_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("plotly")
    namespace = ModuleType("tutorial")
    monkeypatch.setitem(sys.modules, "tutorial", namespace)
    monkeypatch.chdir(tmp_path)
    for number, cell in enumerate(CELLS):
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"cell {number}", "exec", dont_inherit=True)
            exec(code, namespace.__dict__)
    values = [trial.value for trial in namespace.study.trials]
    assert len(values) == 10 and max(values) >= max(t.value for t in namespace.cold.trials[:3])
    assert namespace.figure.data
    assert "4 studies for the next one to remember" in capsys.readouterr().out
    namespace.folder.cleanup()
    assert not list(tmp_path.iterdir())
