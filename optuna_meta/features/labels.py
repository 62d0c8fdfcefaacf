"""Labels: the responses of images and documents, of whatever type.

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
from optuna_meta.features.response import describe_classes
from optuna_meta.features.response import read_response


__all__ = ["describe_labels", "LABEL_NAMES", "read_labels"]

_MAX_PARTS = 1_000  # As many tags or one-hot cells as a label may have; a mask has more.
LABEL_NAMES = (
    *("is_regression", "nr_class", "class_ent", "class_balance"),
    *("freq_class.min", "freq_class.max"),
)


def read_labels(labels: Any, n: int) -> NDArray[Any]:
    """Return labels as int64 class codes, -1 where missing, or float64 numbers to regress on.

    Args:
        labels: n labels of any type, by the rules of :func:`read_response`; None where there are
            none, and all of them count as missing.
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
        labels = [_unwrap(label) for label in labels]
    if len(labels) != n:
        raise ValueError(
            f"labels must have one for each of the {n} instances, got {len(labels)}. "
            "Pass as many, None where one is missing, or no labels at all."
        )
    return read_response(_join_parts(labels))


def describe_labels(y: NDArray[Any]) -> dict[str, float]:
    """Return the features of ``LABEL_NAMES`` that apply; none without any label.

    Args:
        y: Labels as :func:`read_labels` returns them, of shape (n,).
    """
    if is_numeric(y):
        return {"is_regression": 1.0}
    classes = describe_classes(np.bincount(y[y >= 0]))
    return {"is_regression": 0.0, **classes} if classes else {}


def _join_parts(labels: Any) -> Any:
    """Return labels (n,), each of several parts as a text that tells it from others."""
    if hasattr(labels, "shape"):
        several = len(labels.shape) > 1 and labels.shape[1:] != (1,)
    else:
        several = any(isinstance(label, list | tuple | set | frozenset) for label in labels)
    if not several:
        return labels
    cells = labels.to_numpy() if hasattr(labels, "iloc") else labels
    if math.prod(getattr(cells, "shape", (0,))[1:]) > _MAX_PARTS:
        return [None] * len(cells)
    return [_text(cell) for cell in cells]


def _unwrap(label: Any) -> Any:
    """Return a label without the array or tensor that a loader wraps it in."""
    label = as_numpy(label)
    if isinstance(label, np.ndarray) and label.size > _MAX_PARTS:
        return None
    return label.tolist() if isinstance(label, np.ndarray | np.generic) else label


def _text(label: Any) -> str | None:
    if label is None:
        return None
    if isinstance(label, set | frozenset):
        return repr(sorted(map(repr, label)))  # Sets have no order.
    return repr(label.tolist() if isinstance(label, np.ndarray) else label)
