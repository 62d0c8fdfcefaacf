"""The group ``simple`` of tables: counts of rows, columns, cells and classes."""

from __future__ import annotations

import numpy as np

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.response import describe_classes
from optuna_meta.features.response import Response
import optuna_meta.features.stats as stats
from optuna_meta.features.tabular.table import Table


__all__ = ["count_table", "count_classes"]


def count_table(table: Table, nr_outputs: int) -> dict[str, float]:
    """Return the numbers of rows, columns and outputs, and the shares of missing cells."""
    nr_attr = table.nr_num + table.nr_cat
    missing = np.hstack([np.isnan(table.numbers), table.codes < 0])
    return {
        "nr_inst": table.nr_inst,
        "nr_attr": nr_attr,
        "nr_num": table.nr_num,
        "nr_cat": table.nr_cat,
        "nr_bin": _count_binary(table),
        "attr_to_inst": nr_attr / table.nr_inst,
        "missing_ratio": float(missing.mean()),
        "inst_missing_ratio": float(missing.any(axis=1).mean()),
        "nr_outputs": nr_outputs,
    }


def _count_binary(table: Table) -> float:
    """Return the number of columns of two values, projected from those that were drawn."""
    numeric = [len(np.unique(c[~np.isnan(c)])) == 2 for c in table.numbers.T]
    categorical = [len(np.unique(c[c >= 0])) == 2 for c in table.codes.T]
    parts = ((numeric, table.nr_num), (categorical, table.nr_cat))
    return sum(nr * float(np.mean(binary)) for binary, nr in parts if binary)


def count_classes(response: Response) -> dict[str, float]:
    """Return whether there are classes, how many, and their shares of all rows."""
    if is_numeric(response.values):
        return {"is_regression": 1.0}
    counts = response.counts
    classes = {"is_regression": 0.0, "nr_class": 0.0, **describe_classes(counts)}
    return classes | {"freq_class.sd": stats.sd(counts / counts.sum())}
