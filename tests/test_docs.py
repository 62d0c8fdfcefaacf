"""The code in a page of the documentation runs, and so do the commands that it needs between."""

from __future__ import annotations

from pathlib import Path
import re
import shlex
from typing import Any

import optuna
import pytest

from optuna_meta.cli.main import main
from optuna_meta.cli.main import parser


PAGES = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(
    ("page", "shown", "commands"),
    [
        ("is-my-prior-helping", "share", False),
        ("read-the-report", "share", False),
        ("old-results", "('lr', 'model.depth')", False),
        ("changed-space", "trials carried over", True),
    ],
)
def test_the_code_of_a_page_runs(
    page: str,
    shown: str,
    commands: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names: dict[str, Any] = {}
    for kind, text in BLOCK.findall((PAGES / f"{page}.md").read_text()):
        if kind == "python":
            exec(compile(text, page, "exec"), names)
        elif commands:
            program, *arguments = shlex.split(text.replace("\\\n", ""))
            assert program == "optuna-meta" and main(arguments) == 0
    assert shown in capsys.readouterr().out


def test_commands_of_the_pages_are_understood() -> None:
    """As far as their arguments go: they need files that the pages do not make."""
    lines = re.findall(r"^optuna-meta .*$", (PAGES / "command-line.md").read_text(), re.M)
    parsed = [parser().parse_args(shlex.split(line.partition("|")[0])[1:]) for line in lines]
    assert len(parsed) > 5 and all(callable(arguments.run) for arguments in parsed)
