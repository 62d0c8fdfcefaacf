"""The full set of pymfe, where it is installed: ``pip install optuna-meta[pymfe]``.

Alcobaca et al. (2020), "MFE: Towards reproducible meta-feature extraction". Its names get the
prefix ``pymfe.``, for it describes the columns in their units and by other samples and folds than
:mod:`.tabular` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
import warnings

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.response import summarise_response
import optuna_meta.features.stats as stats
from optuna_meta.features.tabular.table import read_table


__all__ = ["pymfe_meta_features"]

_MAX_ROWS = 1_000  # Some of pymfe's measures take time of order n^2,
_MAX_COLUMNS = 50  # and others compare all pairs of columns.


def pymfe_meta_features(
    X: Any, y: Any = None, *, groups: str | Iterable[str] = "all", seed: int = 0
) -> dict[str, float]:
    """Return pymfe's meta-features by their names with the prefix ``pymfe.``.

    Means and standard deviations summarise what has several values; what is not finite is NaN. At
    most 1,000 rows and 50 columns of each kind are read. Numbers that are missing are the median
    of their column; what is missing in a categorical column is a category. pymfe knows classes
    alone: of a response to regress on, or without one, come the features that need none. Also
    to be had by ``extract_meta_features(X, y, extra=[pymfe_meta_features])``.

    Args:
        X: A table as :func:`.extract_meta_features` takes it.
        y: One response, n values; None where there is none.
        groups: Names of pymfe's groups, such as "complexity"; "all" for all of them.
        seed: Of the generators that draw rows and columns, and of pymfe.

    Raises:
        ImportError: If pymfe is not installed.
        ValueError: If X or y is none of a table, or a group is unknown.
    """
    try:
        from pymfe.mfe import MFE
    except ImportError as error:
        raise ImportError(
            "pymfe is not installed. Run 'pip install optuna-meta[pymfe]'."
        ) from error
    cells, cat_cols, classes = _read(X, y, np.random.default_rng(seed))
    asked = groups if isinstance(groups, str) else list(groups)
    state = np.random.get_state()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            mfe = MFE(groups=asked, summary=("mean", "sd"), random_state=seed)
            mfe.fit(cells, classes, cat_cols=cat_cols, suppress_warnings=True)
            names, values = mfe.extract(suppress_warnings=True)
    finally:
        np.random.set_state(state)  # pymfe seeds the global generator.
    finite = np.where(np.isfinite(values), values, np.nan)
    return {f"pymfe.{name}": float(value) for name, value in zip(names, finite, strict=True)}


def _read(
    X: Any, y: Any, rng: np.random.Generator
) -> tuple[Array, list[int], NDArray[np.int64] | None]:
    """Return the cells, which of their columns are categorical, and the classes if any."""
    table = read_table(X, rng)
    classes = None if y is None else summarise_response(y, table.rows).values
    if classes is not None and (is_numeric(classes) or classes.max() < 0):
        classes = None
    kept = np.arange(len(table.rows)) if classes is None else np.flatnonzero(classes >= 0)
    kept = kept[stats.subsample(len(kept), _MAX_ROWS, rng)]
    numbers = table.numbers[kept, :_MAX_COLUMNS]
    numbers = numbers[:, ~np.isnan(numbers).all(axis=0)]
    filled = np.where(np.isnan(numbers), np.nanmedian(numbers, axis=0), numbers)
    codes = table.codes[kept, :_MAX_COLUMNS]
    cells = np.hstack([filled, codes])
    cat_cols = list(range(filled.shape[1], cells.shape[1]))
    return cells, cat_cols, None if classes is None else classes[kept]
