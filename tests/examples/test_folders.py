"""Each application is whole: read, run, shown in the gallery, and short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "examples").glob("*/__main__.py"))


def n_code_lines(path: Path) -> int:
    """Lines that hold code: no docstrings, comments, empty lines, and names that are imported."""
    tree = ast.parse(path.read_text())
    held: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            held |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            text = node.body[0]
            held -= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
        if isinstance(node, ast.Import | ast.ImportFrom):
            held -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = path.read_text().splitlines()
    return sum(bool(lines[n - 1].strip()) for n in held)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_an_application_is_short_and_shown(folder: Path) -> None:
    assert sum(map(n_code_lines, folder.glob("*.py"))) <= 300
    assert f"python -m examples.{folder.name}" in (folder / "README.md").read_text()
    # Of README.md and a header in reStructuredText, the gallery would take the former.
    assert (folder / "GALLERY_HEADER.txt").exists()
    (names,) = (
        line.removeprefix("APPLICATIONS := ").split()
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith("APPLICATIONS")
    )
    assert folder.name in names
    title, underline, *_ = (folder / "__main__.py").read_text().splitlines()
    assert underline == "=" * (len(title) - len('"""'))
