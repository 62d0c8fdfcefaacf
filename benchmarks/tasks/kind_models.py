"""The models that are trained on small data sets of images, texts and interactions.

Each has a grid: its numbers are known by their level, its categories by their name.

* images: a support vector machine with a Gaussian kernel on pooled pixels; accuracy;
* texts: logistic regression or naive Bayes on words; accuracy;
* interactions: ratings by alternating least squares, 1 of 4 held out; root mean squared error.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import itertools
from typing import Any
from typing import Literal
from typing import NamedTuple
import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.tasks.kind_tasks import Drawn


__all__ = ["GRIDS", "Grid"]

Array = NDArray[np.float64]

_FOLDS, _HELD_OUT = 3, 0.25
_C = tuple(10.0**k for k in range(-2, 4))
_GAMMA = tuple(10.0**k for k in range(-5, 2))
_STRENGTH = tuple(10.0**k for k in range(-2, 5))  # inverse, of what keeps the model simple
_LEAST_DOCUMENTS = (1, 2, 4)
_RANK = (1, 2, 4, 8)
_RIDGE = tuple(10.0 ** (k / 2) for k in range(-2, 5))
_ROUNDS = (1, 2, 4, 8)


class Grid(NamedTuple):
    """The configurations of a model, and how to train all of them on a data set."""

    direction: Literal["maximize", "minimize"]
    levels: Mapping[str, int]
    choices: Mapping[str, Sequence[str]]
    train: Callable[[Drawn], Array]  # to values of the shape of the levels, then the choices


def _train_images(drawn: Drawn) -> Array:
    from sklearn.svm import SVC

    side = drawn.data.shape[1]
    fine, coarse = (2, 4) if side > 8 else (1, 2)
    designs = [
        scaled for step in (fine, coarse) for scaled in _scalings(_pooled(drawn.data, step))
    ]
    scores = [
        _accuracy(SVC(C=C, gamma=gamma), design, drawn.y)
        for C, gamma, design in itertools.product(_C, _GAMMA, designs)
    ]
    return np.array(scores).reshape(len(_C), len(_GAMMA), 2, 2)


def _pooled(images: Any, step: int) -> Array:
    """Means of squares of this width, one row an image."""
    n, height, width = images.shape
    blocks = images.reshape(n, height // step, step, width // step, step).astype(np.float64)
    pooled: Array = blocks.mean(axis=(2, 4)).reshape(n, -1)
    return pooled


def _scalings(X: Array) -> tuple[Array, Array]:
    """In units of the largest value, and each pixel in its own of all images."""
    spread = X.std(axis=0)
    return X / X.max(), (X - X.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)


def _train_texts(drawn: Drawn) -> Array:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.feature_extraction.text import TfidfTransformer

    scores = np.empty((len(_STRENGTH), len(_LEAST_DOCUMENTS), 2, 2, 2))
    for (j, least), (b, words) in itertools.product(
        enumerate(_LEAST_DOCUMENTS), enumerate((1, 2))
    ):
        # How often words occur says nothing of the labels: counted once, for all folds.
        counts = CountVectorizer(min_df=least, ngram_range=(1, words)).fit_transform(drawn.data)
        weighted = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
        designs = (counts.astype(np.float64), weighted)
        for (i, strength), (c, design), (a, model) in itertools.product(
            enumerate(_STRENGTH), enumerate(designs), enumerate((_logistic, _bayes))
        ):
            scores[i, j, a, b, c] = _accuracy(model(strength), design, np.asarray(drawn.y))
    return scores


def _logistic(strength: float) -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss="log_loss", alpha=1e-3 / strength, max_iter=30, tol=None, random_state=0
    )


def _bayes(strength: float) -> Any:
    from sklearn.naive_bayes import MultinomialNB

    return MultinomialNB(alpha=1.0 / strength)


def _accuracy(model: Any, X: Any, y: Any) -> float:
    from sklearn.model_selection import cross_val_predict
    from sklearn.model_selection import KFold

    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(np.mean(cross_val_predict(model, X, y, cv=folds) == y))


def _train_interactions(drawn: Drawn) -> Array:
    events = drawn.data
    users = np.unique(events.users, return_inverse=True)[1]
    items = np.unique(events.items, return_inverse=True)[1]
    held_out = np.random.default_rng(0).random(len(users)) < _HELD_OUT
    split = _Ratings(users, items, np.asarray(events.ratings, dtype=np.float64), held_out)
    values = np.empty((len(_RANK), len(_RIDGE), len(_ROUNDS), 2))
    for (i, rank), (j, ridge), (c, by_count) in itertools.product(
        enumerate(_RANK), enumerate(_RIDGE), enumerate((False, True))
    ):
        values[i, j, :, c] = _alternate(split, rank, ridge, by_count)
    return values


class _Ratings(NamedTuple):
    users: NDArray[np.int64]  # (n,) from 0
    items: NDArray[np.int64]  # (n,) from 0
    values: Array  # (n,)
    held_out: NDArray[np.bool_]  # (n,)


def _alternate(split: _Ratings, rank: int, ridge: float, by_count: bool) -> Array:
    """Root mean squared errors after each number of rounds."""
    train = ~split.held_out
    shape = int(split.users.max()) + 1, int(split.items.max()) + 1
    mean = split.values[train].mean()
    cells = (split.users[train], split.items[train])
    known = sparse.csr_matrix((np.ones(train.sum()), cells), shape)
    left = sparse.csr_matrix((split.values[train] - mean, cells), shape)
    V = np.random.default_rng(0).standard_normal((shape[1], rank)) / np.sqrt(rank)
    V = np.column_stack([np.ones(shape[1]), V])  # The users' biases.
    errors = []
    for done in range(1, max(_ROUNDS) + 1):
        U = _solved(known, left, V, ridge, by_count)
        V = _solved(known.T.tocsr(), left.T.tocsr(), U, ridge, by_count)
        if done in _ROUNDS:
            users, items = split.users[split.held_out], split.items[split.held_out]
            predicted = np.clip(mean + np.sum(U[users] * V[items], axis=1), 1.0, 5.0)
            errors.append(float(np.sqrt(np.mean((predicted - split.values[split.held_out]) ** 2))))
    return np.array(errors)


def _solved(known: Any, left: Any, V: Array, ridge: float, by_count: bool) -> Array:
    """Factors (users, r) of the ridge regressions of each row of what is left on V (items, r)."""
    r = V.shape[1]
    products = (V[:, :, None] * V[:, None, :]).reshape(len(V), r * r)
    normal = np.asarray(known @ products).reshape(-1, r, r)
    counts = np.asarray(known.sum(axis=1)).ravel() if by_count else np.ones(known.shape[0])
    normal += (ridge * np.maximum(counts, 1.0))[:, None, None] * np.eye(r)
    solved: Array = np.linalg.solve(normal, np.asarray(left @ V)[:, :, None])[:, :, 0]
    return solved


GRIDS: Mapping[str, Grid] = {
    "images": Grid(
        "maximize",
        {"C": len(_C), "gamma": len(_GAMMA)},
        {"pixels": ("fine", "coarse"), "scaling": ("range", "standard")},
        _train_images,
    ),
    "texts": Grid(
        "maximize",
        {"strength": len(_STRENGTH), "least_documents": len(_LEAST_DOCUMENTS)},
        {
            "model": ("logistic", "bayes"),
            "words": ("single", "pairs"),
            "weights": ("counts", "tf-idf"),
        },
        _train_texts,
    ),
    "interactions": Grid(
        "minimize",
        {"rank": len(_RANK), "ridge": len(_RIDGE), "rounds": len(_ROUNDS)},
        {"ridge_by": ("user", "rating")},
        _train_interactions,
    ),
}
