"""Imports point one way, and private names of Optuna stay in one module."""

from __future__ import annotations

import ast
from pathlib import Path
import re

import pytest

import optuna_meta


PACKAGE = Path(optuna_meta.__file__).parent

# Every module, each importing only from those before it.
ORDER = [
    "_files",
    "_optuna",
    "measure",
    "dimension",
    "space",
    "scaling",
    "pareto",
    "trials",
    "conditions",
    "candidates",
    "plateaus",
    "given",
    "acquisition",
    "similarity",
    "features.budget",
    "features.groups",
    "features.measures",
    "features.columns",
    "features.kind",
    "features.table",
    "features.target",
    "features.design",
    "features.information",
    "features.discriminants",
    "features.folds",
    "features.landmarkers",
    "features.tree",
    "features.labels",
    "features.probe",
    "features.intrinsic",
    "features.image_sample",
    "features.pixels",
    "features.image",
    "features.corpus",
    "features.translation",
    "features.pairs",
    "features.text",
    "features.interaction_table",
    "features.interaction_measures",
    "features.recommenders",
    "features.interactions",
    "features.tabular",
    "features.record",
    "features.pymfe_set",
    "features.openml",
    "features.extract",
    "features",
    "weights.states",
    "weights.tensor_header",
    "weights.tensor_file",
    "weights.ties",
    "weights.checkpoint",
    "weights.nested",
    "weights.record",
    "weights.shelf",
    "weights.keeping",
    "weights.upkeep",
    "weights.verify",
    "weights.resume",
    "weights.store",
    "weights.transferability",
    "weights.find",
    "weights.randomness",
    "weights.target",
    "weights.nearest",
    "weights.rung",
    "weights.rank",
    "weights.roles",
    "weights.origins",
    "weights.init_report",
    "weights.rows",
    "weights.initialize",
    "weights.freeze",
    "weights.groups",
    "weights.towards",
    "weights.stopping",
    "weights.units",
    "weights.align",
    "weights.batches",
    "weights.average",
    "weights.soup",
    "weights.ensemble",
    "weights.mixture_weights",
    "weights.meta_tasks",
    "weights.joint",
    "weights.reptile",
    "weights.maml",
    "weights",
    "raw_study",
    "study_reader",
    "frame",
    "task",
    "prior",
    "surrogate.kernel",
    "surrogate.prior_gps",
    "surrogate.prior_likelihood",
    "surrogate.prior_fit",
    "surrogate.fitted",
    "surrogate.own",
    "surrogate.posterior",
    "surrogate.target",
    "surrogate.mixture",
    "surrogate.trust",
    "surrogate",
    "lens",
    "outlook",
    "goal",
    "pool",
    "planner",
    "memory",
    "report",
    "influence",
    "question",
    "plans",
    "transfer",
    "sampler",
    "agreement",
    "",
]

PRIVATE = re.compile(r"optuna(\.\w+)*\._|\._storage\b|\._contains\b|\._study_id\b|\._trial_id\b")


def path_of(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported(path: Path) -> set[str]:
    """Modules of this package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import in line {node.lineno}"
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {n for n in names if n == "optuna_meta" or n.startswith("optuna_meta.")}
    return {name.removeprefix("optuna_meta").removeprefix(".") for name in found}


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_one_way(module: str) -> None:
    before = set(ORDER[: ORDER.index(module)])
    assert imported(path_of(module)) <= before


def test_every_module_is_in_the_order() -> None:
    files = {path_of(module) for module in ORDER}
    assert files == set(PACKAGE.rglob("*.py")) and len(files) == len(ORDER)


@pytest.mark.parametrize("module", [module for module in ORDER if module != "_optuna"])
def test_private_names_of_optuna_stay_in_one_module(module: str) -> None:
    code = ast.unparse(ast.parse(path_of(module).read_text()))  # Without comments.
    assert not (found := PRIVATE.search(code)), found


def test_private_names_would_be_noticed() -> None:
    private = ["optuna._gp.gp", "study._storage.x", "d._contains(1)", "s._study_id", "t._trial_id"]
    assert all(PRIVATE.search(code) for code in private)
    assert not PRIVATE.search("from optuna.trial import FrozenTrial; self._plans")
