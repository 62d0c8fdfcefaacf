"""What `make dist` has built holds what it should, installs, runs and shows its types."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile

import pytest


ROOT = Path(__file__).parent.parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
INFO = f"optuna_meta-{VERSION}.dist-info"
SOURCES = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "optuna_meta").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
ARCHIVES = {
    "wheel": f"optuna_meta-{VERSION}-py3-none-any.whl",
    "sdist": f"optuna_meta-{VERSION}.tar.gz",
}
DIST = os.environ.get("OPTUNA_META_DIST", "")

pytestmark = pytest.mark.skipif(not DIST, reason="`make dist` builds what these tests look at")

COLD_SUGGESTION = """
from importlib.metadata import version
import optuna
import optuna_meta

priors = [optuna.create_study(sampler=optuna.samplers.RandomSampler(seed)) for seed in (0, 1)]
for prior in priors:
    prior.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=20)
sampler = optuna_meta.MetaSampler(prior_studies=priors, seed=0)
x = optuna.create_study(sampler=sampler).ask().suggest_float("x", 0, 1)
for answer in (optuna_meta.__file__, version("optuna-meta"), x):
    print(answer)
"""
TYPED = """
from optuna_meta import MetaSampler

sampler = MetaSampler(prior_studies=None, seed=0)
reveal_type(sampler)
MetaSampler(seed="0")
"""
# Types of the other packages would take mypy ten seconds more.
MYPY = """
[mypy]
strict = True
[mypy-numpy.*,optuna.*,scipy.*,sklearn.*,torch.*]
follow_imports = skip
"""


def run(*command: str | Path, folder: Path, status: int = 0) -> str:
    """Return what a command printed that ended with a status."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


class Environment:
    """A virtual environment, empty but for a path to the dependencies and what is installed."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        [self.packages] = folder.glob("lib/python*/site-packages")
        assert not list(self.packages.iterdir())
        # Python reads no path files there, so an editable install there stays out of sight.
        self.dependencies = self.packages / "dependencies.pth"
        self.dependencies.write_text(sysconfig.get_path("purelib"))

    def install(self, *what: str | Path) -> set[str]:
        """Install without dependencies; return the names that this put into site-packages."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install"]
        flags = ["--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed"]
        run(*pip, *flags, *what, folder=self.folder)
        return {path.name for path in self.packages.iterdir()} - {self.dependencies.name}

    def suggest(self) -> tuple[Path, str, float]:
        """Return the package's file, its version and a new study's first suggestion."""
        printed = run(self.python, "-I", "-c", COLD_SUGGESTION, folder=self.folder)
        file, version, x = printed.splitlines()
        return Path(file), version, float(x)

    def reveal(self) -> str:
        """Return what mypy finds wrong in a file of a user, and the types that it reveals."""
        (self.folder / "mypy.ini").write_text(MYPY)
        (self.folder / "use.py").write_text(TYPED)
        mypy = [sys.executable, "-m", "mypy", "--python-executable", str(self.python)]
        return run(*mypy, "--cache-dir=cache", "use.py", folder=self.folder, status=1)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def read(kind: str) -> dict[str, bytes]:
    """Return the files of an archive; those of an sdist without its one top folder."""
    path = ROOT / DIST / ARCHIVES[kind]
    if kind == "wheel":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(path) as sdist:
        members = [member for member in sdist if member.isfile()]
        files = {m.name: f.read() for m in members if (f := sdist.extractfile(m)) is not None}
    top = f"optuna_meta-{VERSION}/"
    assert all(name.startswith(top) for name in files)
    return {name.removeprefix(top): content for name, content in files.items()}


def test_nothing_but_these_two_is_built() -> None:
    assert {path.name for path in (ROOT / DIST).iterdir()} == set(ARCHIVES.values())


def test_the_wheel_holds_the_package_and_its_licence() -> None:
    names = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    info = {f"{INFO}/{name}" for name in names}
    files = read("wheel")
    assert set(files) == SOURCES | info
    assert "optuna_meta/py.typed" in files
    assert files[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_holds_what_building_needs_and_the_changelog() -> None:
    files = read("sdist")
    beside = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert set(files) - {".gitignore"} == SOURCES | beside  # Hatchling reads what git ignores.
    for name in SOURCES | beside - {"PKG-INFO"}:
        assert files[name] == (ROOT / name).read_bytes(), name


def test_no_module_repeats_the_version() -> None:
    quoted = re.compile(rf"""["']{re.escape(VERSION)}["']""")
    for name in SOURCES:
        assert not quoted.search((ROOT / name).read_text()), name


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_built_file_installs_the_package_alone_and_it_runs(
    kind: str, environment: Environment
) -> None:
    assert environment.install(ROOT / DIST / ARCHIVES[kind]) == {"optuna_meta", INFO}
    file, version, x = environment.suggest()
    assert file == environment.packages / "optuna_meta" / "__init__.py"
    assert version == VERSION
    assert abs(x - 0.3) < 0.1


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_users_see_the_types(kind: str, environment: Environment) -> None:
    environment.install(*["-e", ROOT] if kind == "editable" else [ROOT / DIST / ARCHIVES[kind]])
    found = environment.reveal()
    assert 'use.py:5: note: Revealed type is "optuna_meta.sampler.sampler.MetaSampler"' in found
    assert 'Argument "seed" to "MetaSampler" has incompatible type "str"' in found
    assert "Found 1 error in 1 file" in found
