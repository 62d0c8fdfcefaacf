"""Trials in CSV files -> found studies."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_meta.studies.sources.dataframe import read_frame
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import ReadOptions


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["read_csv", "table"]


def read_csv(
    paths: str | Path | Sequence[str | Path],
    study: str | None,
    value: str | Sequence[str] | None,
    direction: str | Sequence[str],
    options: ReadOptions,
) -> list[FoundStudy]:
    """Read the studies of CSV files; see :meth:`optuna_meta.Prior.from_csv`."""
    each = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found = []
    for path in each:
        try:
            found += read_frame(table(path), study, value, direction, options, Path(path).stem)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r}: {error}") from error
    return found


def table(path: str | Path) -> pd.DataFrame:
    """Return the table of a CSV file; only cells with nothing or NaN in them are empty.

    Raises:
        ImportError: pandas is missing.
        FileNotFoundError: There is no such file.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("CSV files are read by pandas: pip install pandas.") from error
    return pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"])
