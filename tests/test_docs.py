"""The pages of docs/: what stands there in Python runs from top to bottom, as a reader would."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
import re
import shlex
import sys
import textwrap
from types import ModuleType

from cloudpickle import register_pickle_by_value
import pytest

from optuna_meta.cli.main import main
from optuna_meta.cli.main import parser


DOCS = Path(__file__).parents[1] / "docs"
PAGES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
# What is not to be run has another word behind the backticks, such as ``console`` or ``text``.
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```console\n(optuna-meta .*?)^```$", re.MULTILINE | re.DOTALL)
# What parts of the package want beside it.
EXTRAS = {
    "visualization.": ["plotly"],
    "publish_report": ["plotly", "optuna_dashboard"],
    "report_every": ["plotly", "optuna_dashboard"],
}
WITH_COMMANDS = ("changed-space.md",)  # Pages whose code makes what their commands need.


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
    text = "\n".join(blocks)
    named += [
        library for part, libraries in EXTRAS.items() if part in text for library in libraries
    ]
    return {name.partition(".")[0] for name in named}


# What a page itself is told is an error; what libraries tell each other is not.
@pytest.mark.filterwarnings(
    "ignore", "error:::page", "ignore::optuna.exceptions.ExperimentalWarning"
)
@pytest.mark.timeout(900)  # Pages train models, beside other tests.
@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DOCS / name
    blocks = blocks_of(path.read_text())
    if absent := [library for library in libraries_of(blocks) if find_spec(library) is None]:
        pytest.skip(f"{', '.join(sorted(absent))} not installed")
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)  # Where dataclasses and pickles look.
    register_pickle_by_value(page)  # Other processes cannot import it, as little as a script.
    monkeypatch.chdir(tmp_path)
    places = {found.start(): found[1] for found in COMMAND.finditer(path.read_text())}
    starts = (found.start() for found in BLOCK.finditer(path.read_text()))
    steps = dict(zip(starts, blocks, strict=True))
    for place in sorted(steps | places if name in WITH_COMMANDS else steps):
        if place in steps:
            exec(compile(steps[place], path, "exec", dont_inherit=True), page.__dict__)
        else:
            assert main(shlex.split(places[place].replace("\\\n", ""))[1:]) == 0


def test_commands_of_the_pages_are_understood() -> None:
    """As far as their arguments go: they need files that the pages do not make."""
    lines = re.findall(r"^optuna-meta .*$", (DOCS / "command-line.md").read_text(), re.M)
    parsed = [parser().parse_args(shlex.split(line.partition("|")[0])[1:]) for line in lines]
    assert len(parsed) > 5 and all(callable(arguments.run) for arguments in parsed)


def test_blocks_keep_their_lines_and_others_are_left_alone() -> None:
    first = "A\n\n```python\nimport a.b\n\nx = 1\n```\n"
    page = first + "```text\ny\n```\n- B\n\n  ```python\n  z = 1\n  ```\n"
    blocks = blocks_of(page)
    assert [block.lstrip("\n") for block in blocks] == ["import a.b\n\nx = 1\n", "z = 1\n"]
    assert [node.lineno for block in blocks for node in ast.parse(block).body] == [4, 6, 14]
    assert libraries_of(blocks) == {"a"}
