"""Run the tests with the oldest and the newest requirements: ``make versions``.

Each end of the supported range has a virtual environment of its own; what was installed and what
the tests said is added to ``tests/versions.log``. ``--pin torch==2.13.0`` asks for one version of
a package, such as a build for CPUs that lies on disk: what PyPI has for Linux brings CUDA.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile
import tomllib
import venv


ROOT = Path(__file__).parents[1]
LOG = ROOT / "tests" / "versions.log"
SHOWN = ("optuna", "torch", "numpy", "scipy", "scikit-learn", "sqlalchemy", "safetensors", "tqdm")
ENDS = ("lowest", "newest")


def requirements(end: str, pins: Sequence[str] = ()) -> list[str]:
    """What is required, pinned to the lowest versions that are allowed or left to pip."""
    required: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "dependencies"
    ]
    if end == "lowest":
        # ``>=2.4`` allows 2.4.0 as well as 2.4.1, which may be all that a system has.
        required = [re.sub(r">=([\d.]+)", r"~=\1.0", line) for line in required]
    pinned = {pin.partition("==")[0] for pin in pins}
    return [*pins, *(line for line in required if re.split("[>~]", line)[0] not in pinned)]


def run(end: str, folder: Path, tests: list[str], pins: list[str]) -> tuple[str, bool]:
    """Install and test in a folder; return the line for the log, and whether all passed."""
    if not (folder / "bin").exists():
        venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = [*requirements(end, pins), "-e", f"{ROOT}[tests]"]
    installed = _called([python, "-m", "pip", "install", "-q", *wanted])
    if installed.returncode:
        return f"not installed: {installed.stderr.strip().splitlines()[-1]}", False
    listed = _called([python, "-m", "pip", "list", "--format=freeze"]).stdout.lower()
    versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    shown = ", ".join(f"{name} {versions.get(name, 'absent')}" for name in SHOWN)
    tested = _called([python, "-m", "pytest", "-n", "2", "--dist", "loadscope", *tests])
    said = tested.stdout.strip().splitlines()[-1:] or [tested.stderr[-200:]]
    failed = [
        line.partition(" - ")[0]  # Without the message, which may name folders.
        for line in tested.stdout.splitlines()
        if line.startswith(("FAILED", "ERROR"))
    ]
    python_version = ".".join(map(str, sys.version_info[:3]))
    lines = [f"python {python_version}, {shown}", f"{said[0]}", *failed]
    return "\n  ".join(lines), tested.returncode == 0


def _called(command: list[object]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ends", nargs="+", choices=ENDS, default=ENDS)
    parser.add_argument("--tests", nargs="+", default=["tests"], help="what pytest runs")
    parser.add_argument("--pin", action="append", default=[], help="such as torch==2.13.0")
    parser.add_argument("--folder", type=Path, help="where to keep the environments")
    args = parser.parse_args()
    all_passed = True
    for end in args.ends:
        with tempfile.TemporaryDirectory(prefix="optuna-meta-") as passing:
            folder = args.folder / end if args.folder else Path(passing)
            said, passed = run(end, folder, args.tests, args.pin)
        all_passed &= passed
        entry = f"{date.today()} {end}, {' '.join(args.tests)}: {said}\n"
        print(entry, end="")
        with LOG.open("a") as log:
            log.write(entry)
    sys.exit(not all_passed)


if __name__ == "__main__":
    main()
