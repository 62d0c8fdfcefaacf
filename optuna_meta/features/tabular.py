"""Meta-features of a tabular data set.

Where the definition is the same, the names are those of pymfe (Alcobaca et al. 2020, "MFE:
Towards reproducible meta-feature extraction"); ``.mean``, ``.sd`` (dividing by n - 1), ``.min``
and ``.max`` summarise a measure over columns or classes.

* ``nr_inst``, ``nr_attr``, ``nr_num``, ``nr_cat``, ``attr_to_inst``: rows, columns, numeric and
  categorical columns, columns per row.
* ``is_regression``: 1 or 0. ``nr_class``, ``class_ent`` (bits), ``freq_class.min`` and
  ``freq_class.max`` (shares): classification only. ``target_skewness``, ``target_kurtosis``:
  regression only.
* ``missing_ratio``: share of cells that are missing; ``zero_ratio``, ``outlier_ratio``: shares
  of the numeric cells present that are 0, and outside Tukey's fences.
* ``skewness``, ``kurtosis``, ``cor`` (absolute correlation): of numeric columns that vary.
* ``pca_first_ratio``, ``pca_95_ratio``: the first principal component's share of variance, and
  the share of components that reach 95 % of it, of standardised columns.
* ``mut_inf``: mutual information (bits) of a column and the target, over the columns that vary;
  numbers in n^(1/3) bins of equal frequency, rare categories pooled.
* ``best_node`` (decision stump), ``one_nn``, ``naive_bayes`` and ``linear_discr``
  (classification only), ``ridge`` (regression only): see :mod:`.landmarkers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.landmarkers import landmark
from optuna_meta.features.measures import absolute_correlations
from optuna_meta.features.measures import component_shares
from optuna_meta.features.measures import discretise
from optuna_meta.features.measures import entropy
from optuna_meta.features.measures import kurtosis
from optuna_meta.features.measures import mutual_information
from optuna_meta.features.measures import outlier_ratio
from optuna_meta.features.measures import ratio
from optuna_meta.features.measures import skewness
from optuna_meta.features.measures import standardise
from optuna_meta.features.table import read_table
from optuna_meta.features.table import Table
from optuna_meta.features.target import read_target
from optuna_meta.features.target import Task


__all__ = ["extract_meta_features"]

_NAMES = (
    *("nr_inst", "nr_attr", "nr_num", "nr_cat", "attr_to_inst"),
    *("is_regression", "nr_class", "class_ent", "freq_class.min", "freq_class.max"),
    *("target_skewness", "target_kurtosis"),
    *("missing_ratio", "zero_ratio", "outlier_ratio"),
    *("skewness.mean", "skewness.sd", "kurtosis.mean", "kurtosis.sd"),
    *("cor.mean", "pca_first_ratio", "pca_95_ratio"),
    *("mut_inf.mean", "mut_inf.max"),
    *("best_node", "one_nn", "naive_bayes", "linear_discr", "ridge"),
)


def extract_meta_features(
    X: Any, y: Any, *, seed: int = 0, task: Task | None = None
) -> dict[str, float]:
    """Returns the meta-features of a tabular data set, named as in the module's docstring.

    The names and their order are always the same; a feature that does not apply is NaN. Counts
    and the target's features are of all rows; the others of at most 2,000 rows and 200 columns
    of each kind. Infinite numbers count as missing. Counts are raw, not their logarithms.

    Args:
        X: n rows by p columns, numeric or categorical, with missing cells or without: an array,
            a list of rows, a pandas data frame, a SciPy sparse matrix. Bools and dates are
            numeric; strings are categories, even those that spell numbers.
        y: The target, n values. Numbers are classes where all are whole, at most
            max(20, sqrt(n)) of them differ and some value repeats; others are regressed on.
        seed: Of the generator that draws the rows, the columns and the landmarkers' folds.
        task: "classification" or "regression", to override what y looks like.

    Raises:
        ValueError: If X is not two-dimensional or is empty, y is not one-dimensional or has
            another length, or the task does not suit y.
    """
    rng = np.random.default_rng(seed)
    table = read_table(X, rng)
    target = read_target(y, task)
    if len(target) != table.nr_inst:
        raise ValueError(
            f"y must have a value for each of the {table.nr_inst} rows of X, got {len(target)}. "
            "Pass X and y of the same instances."
        )
    z = standardise(table.numbers)
    sampled = target[table.rows]
    features = (
        _count(table)
        | _describe_target(target)
        | _describe_cells(table)
        | _describe_numbers(z)
        | _inform(z, table.codes, sampled)
        | landmark(z, table.codes, sampled, rng)
    )
    return {name: float(features.get(name, np.nan)) for name in _NAMES}


def _count(table: Table) -> dict[str, float]:
    nr_attr = table.nr_num + table.nr_cat
    return {
        "nr_inst": table.nr_inst,
        "nr_attr": nr_attr,
        "nr_num": table.nr_num,
        "nr_cat": table.nr_cat,
        "attr_to_inst": nr_attr / table.nr_inst,
    }


def _describe_target(target: NDArray[Any]) -> dict[str, float]:
    if is_numeric(target):
        z = standardise(target[:, None])
        return {
            "is_regression": 1.0,
            "target_skewness": _mean(skewness(z)),
            "target_kurtosis": _mean(kurtosis(z)),
        }
    counts = np.bincount(target[target >= 0])
    if not counts.size:
        return {"is_regression": 0.0, "nr_class": 0.0}
    return {
        "is_regression": 0.0,
        "nr_class": len(counts),
        "class_ent": entropy(counts),
        "freq_class.min": counts.min() / counts.sum(),
        "freq_class.max": counts.max() / counts.sum(),
    }


def _describe_cells(table: Table) -> dict[str, float]:
    missing = np.isnan(table.numbers)
    nr_missing = missing.sum() + (table.codes < 0).sum()
    return {
        "missing_ratio": ratio(nr_missing, missing.size + table.codes.size),
        "zero_ratio": ratio((table.numbers == 0).sum(), (~missing).sum()),
    }


def _describe_numbers(z: NDArray[np.float64]) -> dict[str, float]:
    if not z.shape[1]:
        return {}
    shares = component_shares(z)
    skews, kurtoses = skewness(z), kurtosis(z)
    return {
        "outlier_ratio": outlier_ratio(z),
        "skewness.mean": _mean(skews),
        "skewness.sd": _sd(skews),
        "kurtosis.mean": _mean(kurtoses),
        "kurtosis.sd": _sd(kurtoses),
        "cor.mean": _mean(absolute_correlations(z)),
        "pca_first_ratio": shares[0],
        "pca_95_ratio": (np.searchsorted(np.cumsum(shares), 0.95) + 1) / len(shares),
    }


def _inform(
    z: NDArray[np.float64], codes: NDArray[np.int64], target: NDArray[Any]
) -> dict[str, float]:
    nr_bins = max(2, round(len(target) ** (1 / 3)))
    classes = _discretise_target(target, nr_bins)
    pooled = [_pool(column, nr_bins) for column in codes.T if np.ptp(column) > 0]
    columns = [*discretise(z, nr_bins).T, *pooled]
    known = [mutual_information(column, classes) for column in columns]
    present = np.array([value for value in known if not np.isnan(value)])
    return {"mut_inf.mean": _mean(present), "mut_inf.max": max(present, default=np.nan)}


def _discretise_target(target: NDArray[Any], nr_bins: int) -> NDArray[np.int64]:
    if not is_numeric(target):
        return target
    z = standardise(target[:, None])
    return discretise(z, nr_bins)[:, 0] if z.shape[1] else np.where(np.isnan(target), -1, 0)


def _pool(codes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Returns codes of shape (m,) in which the rarest categories share the last number."""
    counts = np.bincount(codes[codes >= 0])
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(codes < 0, -1, np.minimum(rank[codes], limit - 1))


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _sd(values: NDArray[np.float64]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
