"""The package for OptunaHub's registry, loaded by the real ``optunahub``, without a network."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
import yaml

import optuna_meta


ROOT = Path(__file__).parents[1]
REGISTRY = ROOT / "optunahub" / "package"
NAME = "samplers/meta_sampler"
PACKAGE = REGISTRY / NAME


def test_its_names_are_those_of_this_library() -> None:
    hub = pytest.importorskip("optunahub.hub")  # `optunahub` alone would be the folder here.
    package = hub.load_local_module(NAME, registry_root=str(REGISTRY))
    assert "MetaSampler" in package.__all__
    for name in package.__all__:
        assert getattr(package, name) is getattr(optuna_meta, name)


def test_the_example_runs_as_it_will_from_the_registry(tmp_path: Path) -> None:
    """``optunahub`` finds the package in its cache, as after a download."""
    pytest.importorskip("optunahub.hub")
    cached = tmp_path / "github.com" / "optuna" / "optunahub-registry" / "main" / "package" / NAME
    shutil.copytree(PACKAGE, cached, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, PACKAGE / "example.py"],
        cwd=tmp_path,
        env={**os.environ, "OPTUNAHUB_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    best, explanation = done.stdout.split("\n", 1)
    assert float(best.split()[0]) < 1.0
    assert all(f"data set {number}" in explanation for number in range(3))


def test_the_front_matter_is_what_the_registry_asks_for() -> None:
    header = next(yaml.safe_load_all((PACKAGE / "README.md").read_text().split("\n---\n")[0]))
    assert list(header) == ["author", "title", "description", "tags", "optuna_versions", "license"]
    lists = {"tags", "optuna_versions"}
    assert all(isinstance(header[name], str) for name in header.keys() - lists)
    assert all(isinstance(value, str) for name in lists for value in header[name])
    assert "sampler" in header["tags"] and header["license"] == "MIT License"


def test_it_is_text_under_the_licence_of_this_library() -> None:
    files = {path.name: path.read_text() for path in PACKAGE.iterdir() if path.is_file()}
    assert files.keys() >= {"LICENSE", "README.md", "__init__.py", "example.py"}
    assert files["LICENSE"] == (ROOT / "LICENSE").read_text()
