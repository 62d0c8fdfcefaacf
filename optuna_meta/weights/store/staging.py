"""Where files lie for a while: in a folder of their own, which no killed process keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import shutil
import tempfile

from optuna_meta.weights.store.processes import is_over
from optuna_meta.weights.store.processes import this_process


__all__ = ["clear_staging", "staged", "staging_folder"]

_PREFIX = "optuna_meta-"


@contextmanager
def staged(staging: str | Path | None) -> Iterator[Path]:
    """Make a folder below another one, the system's temporary one by default, for a while."""
    with staging_folder(staging) as folder:
        yield Path(folder)


def staging_folder(staging: str | Path | None) -> tempfile.TemporaryDirectory[str]:
    """Make such a folder, which stays until its ``cleanup``."""
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{this_process()}-", dir=staging)


def clear_staging(staging: str | Path | None) -> None:
    """Remove such folders of processes that have ended."""
    for folder in Path(staging or tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        if is_over(folder.name.removeprefix(_PREFIX).rpartition("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)
