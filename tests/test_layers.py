"""Imports between folders point one way, and private names of Optuna stay in two modules."""

from __future__ import annotations

import ast
from pathlib import Path
import re

import pytest

import optuna_meta


PACKAGE = Path(optuna_meta.__file__).parent

# The tree reads as a sentence; each folder imports from itself and from those before it.
FOLDERS = [
    "space",
    "outcomes",
    "features",
    "studies",
    "surrogate",
    "pruning",
    "suggest",
    "sampler",
    "weights",
    "replay",
    "visualization",
    "reporting",
    "cli",
]
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

OPTUNA = ("_optuna", "_optuna_storages")
PRIVATE = re.compile(r"optuna(\.\w+)*\._|\._storage\b|\._contains\b|\._study_id\b|\._trial_id\b")


def imported(file: str) -> set[str]:
    """Modules of this package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import in line {node.lineno}"
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {n for n in names if n == "optuna_meta" or n.startswith("optuna_meta.")}
    return {name.removeprefix("optuna_meta").removeprefix(".") for name in found}


def may_import(file: str) -> set[str]:
    """First names of what a file may import."""
    helpers = {"_bounded_map", "_files", "_html", "_locks", "_spelling", "_typing", *OPTUNA}
    folder = file.split("/")[0]
    if folder in FOLDERS:
        return helpers | set(FOLDERS[: FOLDERS.index(folder) + 1])
    return helpers | set(FOLDERS) if file == "__init__.py" else {"_typing"}


@pytest.mark.parametrize("file", FILES)
def test_imports_point_one_way(file: str) -> None:
    assert {module.split(".")[0] for module in imported(file)} <= may_import(file)


def test_the_folders_are_these() -> None:
    assert {f.split("/")[0] for f in FILES if "/" in f} == set(FOLDERS)


def test_no_files_import_each_other() -> None:
    """Whatever a file imports can be imported before it."""
    modules = {f.removesuffix(".py").removesuffix("/__init__").replace("/", "."): f for f in FILES}
    left = {name: imported(file) & modules.keys() for name, file in modules.items()}
    while free := {name for name, wanted in left.items() if not wanted}:
        left = {name: wanted - free for name, wanted in left.items() if name not in free}
    assert not left


@pytest.mark.parametrize("file", [f for f in FILES if f.removesuffix(".py") not in OPTUNA])
def test_private_names_of_optuna_stay_in_two_modules(file: str) -> None:
    code = ast.unparse(ast.parse((PACKAGE / file).read_text()))  # Without comments.
    assert not (found := PRIVATE.search(code)), found


def test_private_names_would_be_noticed() -> None:
    private = ["optuna._gp.gp", "study._storage.x", "d._contains(1)", "s._study_id", "t._trial_id"]
    assert all(PRIVATE.search(code) for code in private)
    assert not PRIVATE.search("from optuna.trial import FrozenTrial; self._plans")
