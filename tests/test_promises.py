"""Each promise of docs/workers.md has a test or a command that exists."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
import re

import pytest


ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "workers.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
PROMISES = [row for row in ROWS if not row[0].startswith(("promise", "**"))]


@pytest.mark.parametrize("row", PROMISES, ids=lambda row: row[0])
def test_a_promise_is_tested_by_what_exists(row: list[str]) -> None:
    promise, how = row
    named = re.findall(r"`([^`]+)`", how)
    files = [name for name in named if name.endswith((".py", ".log"))]
    modules = [name.split()[2] for name in named if name.startswith("python -m ")]
    targets = [name.split()[1] for name in named if name.startswith("make ")]
    assert files or modules or targets, promise
    makefile = (ROOT / "Makefile").read_text()
    assert all((ROOT / "tests" / name).is_file() for name in files if name.endswith(".py"))
    assert all(find_spec(name) for name in modules)
    assert all(f"\n{name}: " in makefile for name in targets)


def test_there_are_promises() -> None:
    assert len(PROMISES) > 30
