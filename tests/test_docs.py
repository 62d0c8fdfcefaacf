"""The pages of docs/: what stands there in Python runs from top to bottom, as a reader would."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
import re
import sys
import textwrap
from types import ModuleType

import pytest


DOCS = Path(__file__).parents[1] / "docs"
PAGES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
# What is not to be run has another word behind the backticks, such as ``console`` or ``text``.
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: str) -> list[str]:
    """The blocks of a page, each behind as many empty lines as make its lines the page's."""
    return [
        "\n" * (page[: found.start()].count("\n") + 1) + textwrap.dedent(found[2])
        for found in BLOCK.finditer(page)
    ]


def libraries_of(blocks: list[str]) -> set[str]:
    """First names of all that blocks import."""
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block))]
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in named}


# What a page itself is told is an error; what libraries tell each other is not.
@pytest.mark.filterwarnings(
    "ignore", "error:::page", "ignore::optuna.exceptions.ExperimentalWarning"
)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DOCS / name
    blocks = blocks_of(path.read_text())
    if absent := [library for library in libraries_of(blocks) if find_spec(library) is None]:
        pytest.skip(f"{', '.join(sorted(absent))} not installed")
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)  # Where dataclasses and pickles look.
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, path, "exec", dont_inherit=True), page.__dict__)


def test_blocks_keep_their_lines_and_others_are_left_alone() -> None:
    first = "A\n\n```python\nimport a.b\n\nx = 1\n```\n"
    page = first + "```text\ny\n```\n- B\n\n  ```python\n  z = 1\n  ```\n"
    blocks = blocks_of(page)
    assert [block.lstrip("\n") for block in blocks] == ["import a.b\n\nx = 1\n", "z = 1\n"]
    assert [node.lineno for block in blocks for node in ast.parse(block).body] == [4, 6, 14]
    assert libraries_of(blocks) == {"a"}
