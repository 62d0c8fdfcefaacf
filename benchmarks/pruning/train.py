"""Train small networks on images and texts and keep their curves, minutes in all.

Learning-rate schedules are among the hyperparameters, so curves cross: what anneals late looks
bad for long. Accuracies of images, cross-entropies of texts, each after every epoch; and errors of
cross-validated regressions after every fold.
"""

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from pathlib import Path
import time
from typing import Any
from typing import NamedTuple

import numpy as np

from benchmarks.commands import run_or_raise
from benchmarks.commands import timed
from benchmarks.pruning import folds
from benchmarks.tasks.base import Array
from benchmarks.tasks.drawn import RAW_DATA
from benchmarks.tasks.regimes import stable_seed


N_EPOCHS = 25
_N_CONFIGURATIONS = 80
_MOST_ROWS = 2_000  # of which a half validates
_IMAGE_CLASSES = (2, 2, 3, 3, 5, 5, 8, 10)
_TEXT_SIZES = (600, 2_000)
_WIDTH = 512  # of hashed words
SCHEDULES = ("constant", "cosine", "step", "warmup")
KINDS = ("images", "texts")


class Split(NamedTuple):
    X: Array  # (n, d)
    y: Array  # (n, classes), one-hot
    X_new: Array
    y_new: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, required=True, help="folder for the curves")
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion_mnist/ etc.")
    parser.add_argument("--jobs", type=int, default=1, help="processes")


def main(args: argparse.Namespace) -> None:
    names = [(k, n) for k in KINDS for n in splits_of(k, args.data)]
    names += [(folds.FOLDS, name) for name in folds.data_sets()]
    left = [(k, n) for k, n in names if not (args.cache / k / f"{n}.npz").exists()]
    work = functools.partial(_train, args.cache, args.data)
    for job, seconds in run_or_raise(work, left, args.jobs):
        print(f"{'/'.join(job)}: {seconds:.1f} CPU seconds", flush=True)


def _train(cache: Path, data: Path, job: tuple[str, str]) -> float:
    kind, name = job
    rng = np.random.default_rng(stable_seed("pruning", kind, name))
    if kind == folds.FOLDS:
        labelled = folds.data_sets()[name]
        rows = [folds.configuration(rng) for _ in range(_N_CONFIGURATIONS)]
        found, cost = timed(lambda: [folds.curve(labelled, row) for row in rows])
    else:
        split = splits_of(kind, data)[name]()
        rows = [configuration(rng) for _ in range(_N_CONFIGURATIONS)]
        found, cost = timed(
            lambda: [curve(split, row, kind == "images", i) for i, row in enumerate(rows)]
        )
    keep(cache / kind / f"{name}.npz", rows, found)
    return float(cost.cpu)


def keep(
    path: Path, rows: Sequence[Mapping[str, Any]], found: Sequence[tuple[list[float], list[float]]]
) -> None:
    """Write configurations with what each came to on its way, and the seconds."""
    arrays: dict[str, Any] = {
        f"param.{key}": np.array([row[key] for row in rows]) for key in rows[0]
    }
    arrays["values"] = np.array([values for values, _ in found])
    arrays["seconds"] = np.array([seconds for _, seconds in found])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def configuration(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "learning_rate": float(10.0 ** rng.uniform(-3.5, 0.5)),
        "batch_size": int(2.0 ** rng.uniform(4, 8)),
        "hidden": int(2.0 ** rng.uniform(3, 7)),
        "momentum": float(rng.uniform(0.0, 0.98)),
        "weight_decay": float(10.0 ** rng.uniform(-6, -1)),
        "schedule": str(rng.choice(SCHEDULES)),
    }


def learning_rate(schedule: str, done: float) -> float:
    """Return the share of the highest rate after a share of the training."""
    if schedule == "cosine":
        return float(0.5 * (1.0 + np.cos(np.pi * done)))
    if schedule == "step":
        return 1.0 if done < 0.6 else 0.1
    if schedule == "warmup":
        return min(done / 0.4, 1.0) if done < 0.7 else (1.0 - done) / 0.3
    return 1.0


def curve(split: Split, row: Mapping[str, Any], is_accuracy: bool, seed: int) -> Any:
    """Return what a network with one hidden layer comes to after each epoch, and the seconds."""
    rng = np.random.default_rng(seed)
    n, d = split.X.shape
    sizes = ((d, row["hidden"]), (row["hidden"], split.y.shape[1]))
    weights = [rng.standard_normal(s) * np.sqrt(2.0 / s[0]) for s in sizes]
    weights += [np.zeros(sizes[0][1]), np.zeros(sizes[1][1])]
    velocity = [np.zeros_like(w) for w in weights]
    values, seconds, start = [], [], time.process_time()
    with np.errstate(all="ignore"):  # some diverge
        for epoch in range(N_EPOCHS):
            rate = row["learning_rate"] * learning_rate(row["schedule"], epoch / N_EPOCHS)
            order = rng.permutation(n)
            for first in range(0, n, row["batch_size"]):
                batch = order[first : first + row["batch_size"]]
                gradients = _gradients(weights, split.X[batch], split.y[batch])
                for w, v, g in zip(weights, velocity, gradients, strict=True):
                    v *= row["momentum"]
                    v += g + row["weight_decay"] * w
                    w -= rate * v
            values.append(_score(weights, split, is_accuracy))
            seconds.append(time.process_time() - start)
    return values, seconds


def _forward(weights: list[Array], X: Array) -> tuple[Array, Array]:
    hidden = np.maximum(X @ weights[0] + weights[2], 0.0)
    odds = hidden @ weights[1] + weights[3]
    p = np.exp(odds - odds.max(axis=1, keepdims=True))
    return hidden, p / p.sum(axis=1, keepdims=True)


def _gradients(weights: list[Array], X: Array, y: Array) -> list[Array]:
    hidden, p = _forward(weights, X)
    off = (p - y) / len(y)
    back = (off @ weights[1].T) * (hidden > 0.0)
    return [X.T @ back, hidden.T @ off, back.sum(axis=0), off.sum(axis=0)]


def _score(weights: list[Array], split: Split, is_accuracy: bool) -> float:
    p = _forward(weights, split.X_new)[1]
    if is_accuracy:
        return float(np.mean(p.argmax(axis=1) == split.y_new.argmax(axis=1)))
    return float(-np.mean(np.sum(split.y_new * np.log(np.maximum(p, 1e-12)), axis=1)))


@functools.cache
def splits_of(kind: str, folder: Path) -> Mapping[str, Callable[[], Split]]:
    """Return what reads each task of a kind."""
    return _images(folder) if kind == "images" else _texts(folder)


def _images(folder: Path) -> dict[str, Callable[[], Split]]:
    from sklearn.datasets import load_digits

    images, labels = RAW_DATA["Fashion-MNIST"].read(folder)
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 255.0
    digits = load_digits()
    sources = {"fashion": (small, labels), "digits": (digits.images / 16.0, digits.target)}
    return {
        f"{source}-{i}-{n}": functools.partial(_some_classes, f"{source}-{i}", X, y, n)
        for source, (X, y) in sources.items()
        for i, n in enumerate(_IMAGE_CLASSES if source == "fashion" else _IMAGE_CLASSES[4:])
    }


def _some_classes(name: str, X: Array, y: Array, n_classes: int) -> Split:
    rng = np.random.default_rng(stable_seed("pruning", name))
    chosen = rng.choice(np.unique(y), n_classes, replace=False)
    rows = rng.permutation(np.flatnonzero(np.isin(y, chosen)))[:_MOST_ROWS]
    return _split(X[rows].reshape(len(rows), -1), y[rows])


def _texts(folder: Path) -> dict[str, Callable[[], Split]]:
    found: dict[str, Callable[[], Split]] = {}
    for name, raw in RAW_DATA.items():
        if raw.kind == "text":
            texts, labels = raw.read(folder)
            for size in _TEXT_SIZES:
                key = f"{name.replace(' ', '-')}-{size}"
                found[key] = functools.partial(_some_texts, key, texts, np.array(labels), size)
    return found


def _some_texts(name: str, texts: list[str], labels: Array, size: int) -> Split:
    from sklearn.feature_extraction.text import HashingVectorizer

    rows = np.random.default_rng(stable_seed("pruning", name)).permutation(len(texts))[:size]
    hashed = HashingVectorizer(n_features=_WIDTH).transform([texts[i] for i in rows])
    return _split(hashed.toarray(), labels[rows])


def _split(X: Array, labels: Array) -> Split:
    classes, codes = np.unique(labels, return_inverse=True)
    y, half = np.eye(len(classes))[codes], len(X) // 2
    return Split(X[:half], y[:half], X[half:], y[half:])
