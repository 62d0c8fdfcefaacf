"""Labels of images or documents: read, whatever their type, and described.

A label of several parts (a one-hot row, a set of tags) is one class for each combination. One of
more than a thousand numbers (a mask, another image) is no label of these, and counts as missing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import as_numpy
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.measures import entropy
from optuna_meta.features.target import read_target


__all__ = ["describe_labels", "LABEL_NAMES", "read_labels"]

_MAX_PARTS = 1_000
LABEL_NAMES = (
    *("is_regression", "nr_class", "class_ent", "class_balance"),
    *("freq_class.min", "freq_class.max"),
)


def read_labels(labels: Any, n: int) -> NDArray[Any]:
    """Returns labels as int64 class codes, -1 where missing, or float64 numbers to regress on.

    Args:
        labels: n labels of any type, by the rules of :func:`.target.read_target`; None where
            there are none, and all of them count as missing.
        n: How many there are to be.

    Returns:
        Shape (n,).

    Raises:
        ValueError: If there are not n labels.
    """
    if labels is None:
        return np.full(n, -1, dtype=np.int64)
    labels = as_numpy(labels)
    if not hasattr(labels, "shape"):
        labels = list(labels)
    if len(labels) != n:
        raise ValueError(
            f"labels must have one for each of the {n} instances, got {len(labels)}. "
            "Pass as many, None where one is missing, or no labels at all."
        )
    return read_target(_as_one_dimensional(labels))


def _as_one_dimensional(labels: Any) -> Any:
    if hasattr(labels, "shape"):
        several = len(labels.shape) > 1 and labels.shape[1:] != (1,)
    else:
        labels = [_plain(label) for label in labels]
        several = any(isinstance(label, list | tuple | set | frozenset) for label in labels)
    if not several:
        return labels
    cells = labels.to_numpy() if hasattr(labels, "iloc") else labels
    if math.prod(getattr(cells, "shape", (0,))[1:]) > _MAX_PARTS:
        return [None] * len(cells)
    return [_text(cell) for cell in cells]


def _plain(label: Any) -> Any:
    """Returns a label without the array or tensor that a loader wraps it in."""
    label = as_numpy(label)
    if isinstance(label, np.ndarray) and label.size > _MAX_PARTS:
        return None
    return label.tolist() if isinstance(label, np.ndarray | np.generic) else label


def _text(label: Any) -> str | None:
    """Returns what tells a label of several parts from others; sets have no order."""
    if label is None:
        return None
    if isinstance(label, set | frozenset):
        return repr(sorted(map(repr, label)))
    return repr(label.tolist() if isinstance(label, np.ndarray) else label)


def describe_labels(y: NDArray[Any]) -> dict[str, float]:
    """Returns the features of ``LABEL_NAMES`` that apply; none without any label.

    ``class_ent`` is in bits, and ``class_balance`` is its share of what equal classes have.

    Args:
        y: Labels as :func:`read_labels` returns them, of shape (n,).
    """
    if is_numeric(y):
        return {"is_regression": 1.0}
    counts = np.bincount(y[y >= 0])
    if not counts.size:
        return {}
    bits = entropy(counts)
    return {
        "is_regression": 0.0,
        "nr_class": len(counts),
        "class_ent": bits,
        "class_balance": bits / np.log2(len(counts)) if len(counts) > 1 else np.nan,
        "freq_class.min": counts.min() / counts.sum(),
        "freq_class.max": counts.max() / counts.sum(),
    }
