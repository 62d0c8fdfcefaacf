"""Packages that are not installed with the benchmarks."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any
import warnings

from benchmarks.methods.methods import Unsupported


__all__ = ["require"]


def require(module: str) -> Any:
    """A module of an optional package.

    Args:
        module:
            Its name, such as ``"syne_tune.config_space"``.

    Raises:
        Unsupported: The package is not installed.
    """
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise Unsupported(
            f"Expected the package {package!r}, which is not installed. "
            "Install the extra 'peers': pip install -c constraints.txt '.[benchmarks,peers]'."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their use of other packages, when they are imported
        return importlib.import_module(module)
