"""Train small models on small data sets, every configuration of a grid once.

Values are kept on disk, with the meta-features that our own extraction finds in the same data:
``--cache FOLDER`` for support vector machines on tables, and with ``--kind images texts
interactions --data FOLDER`` for the others.
"""

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
import json
import os
from pathlib import Path
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.commands import run_or_raise
from benchmarks.commands import timed
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Direction
from benchmarks.tasks.base import Family
from benchmarks.tasks.drawn import Drawn
from benchmarks.tasks.drawn import draws_of
from benchmarks.tasks.suites import Table


_FOLDS, _HELD_OUT = 3, 0.25
_MOST_STEPS = 20_000  # of the solver, which would take minutes where it does not converge


Axes = dict[str, Sequence[Any]]  # the values of each parameter


class Grid(NamedTuple):
    direction: Direction
    unit: str
    axes: Axes
    scorer: Callable[[Drawn], Callable[..., float]]  # to a function of a value of each axis

    def train(self, drawn: Drawn) -> Array:
        score = self.scorer(drawn)
        values = [score(*setting) for setting in itertools.product(*self.axes.values())]
        return np.array(values).reshape([len(axis) for axis in self.axes.values()])

    def table(self, values: Array) -> Table:
        grids = {n: x if isinstance(x[0], str) else len(x) for n, x in self.axes.items()}
        return Table(self.direction, grids, values)


def _svm(drawn: Drawn) -> Callable[..., float]:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scalers = {"standard": StandardScaler, "minmax": MinMaxScaler}
    X = pd.get_dummies(drawn.data, dtype=float).to_numpy(dtype=np.float64)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)

    @functools.cache
    def score(C: float, gamma: float, kernel: str, scaling: str, coef0: float) -> float:
        svc = SVC(C=C, gamma=gamma, kernel=kernel, coef0=coef0, max_iter=_MOST_STEPS)
        predicted = _predicted(make_pipeline(scalers[scaling](), svc), X, drawn.y, folds)
        return float(balanced_accuracy_score(drawn.y, predicted))

    # The Gaussian kernel has no coef0.
    return lambda *setting: score(*setting[:4], float(setting[4]) if setting[2] != "rbf" else 0.0)


def _images(drawn: Drawn) -> Callable[..., float]:
    from sklearn.svm import SVC

    steps = (2, 4) if drawn.data.shape[1] > 8 else (1, 2)
    designs: dict[tuple[str, str], Array] = {}
    for pixels, step in zip(("fine", "coarse"), steps, strict=True):
        X = _pooled(drawn.data, step)
        spread = X.std(axis=0)
        designs[pixels, "range"] = X / X.max()
        designs[pixels, "standard"] = (X - X.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return lambda C, gamma, *key: _accuracy(SVC(C=C, gamma=gamma), designs[key], drawn.y)


def _pooled(images: Any, step: int) -> Array:
    n, height, width = images.shape
    blocks = images.reshape(n, height // step, step, width // step, step).astype(np.float64)
    return np.asarray(blocks.mean(axis=(2, 4))).reshape(n, -1)


def _texts(drawn: Drawn) -> Callable[..., float]:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import SGDClassifier
    from sklearn.naive_bayes import MultinomialNB

    @functools.cache
    def design(least: int, words: str, weights: str) -> Any:
        # How often words occur says nothing of the labels: counted once, for all folds.
        longest = 2 if words == "pairs" else 1
        counts = CountVectorizer(min_df=least, ngram_range=(1, longest)).fit_transform(drawn.data)
        if weights == "counts":
            return counts.astype(np.float64)
        return TfidfTransformer(sublinear_tf=True).fit_transform(counts)

    def score(strength: float, least: int, model: str, words: str, weights: str) -> float:
        options = {"loss": "log_loss", "max_iter": 30, "tol": None, "random_state": 0}
        logistic = SGDClassifier(alpha=1e-3 / strength, **options)
        chosen = logistic if model == "logistic" else MultinomialNB(alpha=1.0 / strength)
        return _accuracy(chosen, design(least, words, weights), np.asarray(drawn.y))

    return score


def _accuracy(model: Any, X: Any, y: Any) -> float:
    from sklearn.model_selection import KFold

    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    return float(np.mean(_predicted(model, X, y, folds) == y))


def _predicted(model: Any, X: Any, y: Any, folds: Any) -> Any:
    from sklearn.model_selection import cross_val_predict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a solver that was stopped, of folds without a class
        return cross_val_predict(model, X, y, cv=folds)


def _interactions(drawn: Drawn) -> Callable[..., float]:
    events = drawn.data
    users = np.unique(events.users, return_inverse=True)[1]
    items = np.unique(events.items, return_inverse=True)[1]
    values = np.asarray(events.ratings, dtype=np.float64)
    held_out = np.random.default_rng(0).random(len(users)) < _HELD_OUT
    shape = (int(users.max()) + 1, int(items.max()) + 1)
    cells, new = (users[~held_out], items[~held_out]), (users[held_out], items[held_out])
    mean = values[~held_out].mean()
    known = sparse.csr_matrix((np.ones(len(cells[0])), cells), shape)
    left = sparse.csr_matrix((values[~held_out] - mean, cells), shape)

    @functools.cache
    def errors(rank: int, ridge: float, by_count: bool) -> list[float]:
        found = []
        V = np.random.default_rng(0).standard_normal((shape[1], rank)) / np.sqrt(rank)
        V = np.column_stack([np.ones(shape[1]), V])  # the users' biases
        for _ in range(max(GRIDS["interactions"].axes["rounds"])):
            U = solve_factors(known, left, V, ridge, by_count)
            V = solve_factors(known.T.tocsr(), left.T.tocsr(), U, ridge, by_count)
            predicted = np.clip(mean + np.sum(U[new[0]] * V[new[1]], axis=1), 1.0, 5.0)
            found.append(float(np.sqrt(np.mean((predicted - values[held_out]) ** 2))))
        return found

    return lambda rank, ridge, rounds, by: errors(rank, ridge, by == "rating")[rounds - 1]


def solve_factors(known: Any, left: Any, V: Array, ridge: float, by_count: bool) -> Array:
    """Return factors (users, r) of the ridge regressions of each row of left on V (items, r)."""
    r = V.shape[1]
    products = (V[:, :, None] * V[:, None, :]).reshape(len(V), r * r)
    normal = np.asarray(known @ products).reshape(-1, r, r)
    counts = np.asarray(known.sum(axis=1)).ravel() if by_count else np.ones(known.shape[0])
    normal += (ridge * np.maximum(counts, 1.0))[:, None, None] * np.eye(r)
    return np.asarray(np.linalg.solve(normal, np.asarray(left @ V)[:, :, None])[:, :, 0])


def _powers(first: int, last: int) -> tuple[float, ...]:
    return tuple(10.0**k for k in range(first, last + 1))


_SVM_AXES: Axes = {
    "C": _powers(-3, 3),
    "gamma": _powers(-5, 1),
    "kernel": ("rbf", "poly", "sigmoid"),
}
_SVM_AXES |= {"kernel": ("rbf", "poly", "sigmoid"), "scaling": ("standard", "minmax")}
_SVM_AXES["coef0"] = ("0", "1")
_IMAGE_AXES: Axes = {"C": _powers(-2, 3), "gamma": _powers(-5, 1), "pixels": ("fine", "coarse")}
_IMAGE_AXES |= {"scaling": ("range", "standard")}
_TEXT_AXES: Axes = {
    "strength": _powers(-2, 4),  # inverse, of what keeps the model simple
    "least_documents": (1, 2, 4),
    "model": ("logistic", "bayes"),
    "words": ("single", "pairs"),
    "weights": ("counts", "tf-idf"),
}
_RATING_AXES: Axes = {"rank": (1, 2, 4, 8), "ridge": tuple(10.0 ** (k / 2) for k in range(-2, 5))}
_RATING_AXES |= {"rounds": (1, 2, 4, 8), "ridge_by": ("user", "rating")}
GRIDS: Mapping[str, Grid] = {
    "svm": Grid("maximize", "balanced accuracy", _SVM_AXES, _svm),
    "images": Grid("maximize", "accuracy", _IMAGE_AXES, _images),
    "texts": Grid("maximize", "accuracy", _TEXT_AXES, _texts),
    "interactions": Grid("minimize", "root mean squared error", _RATING_AXES, _interactions),
}


class Runs(NamedTuple):
    values: Array  # of the shape of the grid's axes
    features: dict[str, float]  # of the data, where they are known


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, required=True, help="folder for the values")
    parser.add_argument("--kind", nargs="+", choices=list(GRIDS), default=["svm"])
    parser.add_argument("--data", type=Path, help="folder of fashion_mnist/ etc., of all but svm")
    parser.add_argument("--jobs", type=int, default=2, help="processes")


def main(args: argparse.Namespace) -> None:
    for kind in args.kind:
        if kind != "svm" and args.data is None:
            raise SystemExit(f"The data sets of {kind} are read from files: pass --data FOLDER.")
        known = {path.stem for path in (args.cache / kind).glob("*.npz")}
        names = [name for name in draws_of(kind, args.data) if name not in known]
        work = functools.partial(_train_timed, args.cache, args.data, kind)
        for name, seconds in run_or_raise(work, names, args.jobs):
            print(f"{kind}, {name}: {seconds:.1f} CPU seconds", flush=True)


def trained_family(folder: Path, kind: str) -> Family:
    """Return the data sets of a kind that are in the folder; each has all others as priors."""
    found = {path.stem for path in (folder / kind).glob("*.npz")}
    known = list(draws_of(kind, None)) if kind == "svm" else []
    names = tuple(sorted(found, key=lambda n: (known.index(n) if n in known else len(known), n)))
    if not names:
        raise FileNotFoundError(
            f"Expected tables of training runs in {folder / kind}, found none: make them with "
            f"'python -m benchmarks.tasks train --kind {kind} --cache FOLDER'."
        )
    read = functools.cache(functools.partial(read_runs, folder, kind))
    load = functools.cache(lambda name: GRIDS[kind].table(read(name).values).task(name))
    return Family(kind, kind, names, names, load, lambda name: read(name).features)


def read_runs(folder: Path, kind: str, name: str) -> Runs:
    with np.load(folder / kind / f"{name}.npz") as kept:
        return Runs(kept["values"], json.loads(str(kept["features"])))


def train(folder: Path, kind: str, name: str, drawn: Drawn) -> Runs:
    from optuna_meta import extract_meta_features  # which imports torch, needed here only

    features = extract_meta_features(drawn.data, drawn.y, seed=0)
    known = {name: value for name, value in features.items() if np.isfinite(value)}
    runs = Runs(GRIDS[kind].train(drawn), known)
    path = folder / kind / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(partial, values=runs.values, features=json.dumps(known))
    partial.replace(path)  # at once, as a broken run leaves no half a file
    return runs


def _train_timed(folder: Path, data: Path | None, kind: str, name: str) -> float:
    return timed(lambda: train(folder, kind, name, draws_of(kind, data)[name]()))[1].cpu
