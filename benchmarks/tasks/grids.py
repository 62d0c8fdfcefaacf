"""The models that are trained on small data sets, each with a grid of configurations.

* svm: a support vector machine on a table; balanced accuracy;
* images: one with a Gaussian kernel on pooled pixels; accuracy;
* texts: logistic regression or naive Bayes on words; accuracy;
* interactions: ratings by alternating least squares, 1 of 4 held out; root mean squared error.

Numbers of a grid are known by their level, categories by their name. Those with classes are scored
by predictions for each of three folds from the two others.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.tasks.drawn import Drawn
from benchmarks.tasks.tables import Table
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Direction


_FOLDS, _HELD_OUT = 3, 0.25
_MOST_STEPS = 20_000  # of the solver, which would take minutes where it does not converge


class Grid(NamedTuple):
    """The configurations of a model, and how to score them on a data set."""

    direction: Direction
    unit: str
    axes: Mapping[str, Sequence[Any]]  # values of each parameter
    scorer: Callable[[Drawn], Callable[..., float]]  # to a function of a value of each axis

    def train(self, drawn: Drawn) -> Array:
        """Return the values of all configurations, of the shape of the axes."""
        score = self.scorer(drawn)
        values = [score(*setting) for setting in itertools.product(*self.axes.values())]
        return np.array(values).reshape([len(axis) for axis in self.axes.values()])

    def table(self, values: Array) -> Table:
        """Return the table of values of the shape of the axes."""
        grids = {
            n: axis if isinstance(axis[0], str) else len(axis) for n, axis in self.axes.items()
        }
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
    return lambda C, gamma, kernel, scaling, coef0: score(
        C, gamma, kernel, scaling, 0.0 if kernel == "rbf" else float(coef0)
    )


def _images(drawn: Drawn) -> Callable[..., float]:
    from sklearn.svm import SVC

    steps = (2, 4) if drawn.data.shape[1] > 8 else (1, 2)
    pooled = dict(zip(("fine", "coarse"), (_pooled(drawn.data, s) for s in steps), strict=True))
    designs = {
        (pixels, scaling): scale(X)
        for pixels, X in pooled.items()
        for scaling, scale in (("range", lambda X: X / X.max()), ("standard", _standardized))
    }
    return lambda C, gamma, pixels, scaling: _accuracy(
        SVC(C=C, gamma=gamma), designs[pixels, scaling], drawn.y
    )


def _pooled(images: Any, step: int) -> Array:
    """Return the means of squares of this width, one row an image."""
    n, height, width = images.shape
    blocks = images.reshape(n, height // step, step, width // step, step).astype(np.float64)
    pooled: Array = blocks.mean(axis=(2, 4)).reshape(n, -1)
    return pooled


def _standardized(X: Array) -> Array:
    spread = X.std(axis=0)
    scaled: Array = (X - X.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return scaled


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
        models = {
            "logistic": SGDClassifier(
                loss="log_loss", alpha=1e-3 / strength, max_iter=30, tol=None, random_state=0
            ),
            "bayes": MultinomialNB(alpha=1.0 / strength),
        }
        return _accuracy(models[model], design(least, words, weights), np.asarray(drawn.y))

    return score


def _accuracy(model: Any, X: Any, y: Any) -> float:
    from sklearn.model_selection import KFold

    return float(
        np.mean(_predicted(model, X, y, KFold(_FOLDS, shuffle=True, random_state=0)) == y)
    )


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
        """Return the error after each round."""
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
    solved: Array = np.linalg.solve(normal, np.asarray(left @ V)[:, :, None])[:, :, 0]
    return solved


def _powers(first: int, last: int) -> tuple[float, ...]:
    return tuple(10.0**k for k in range(first, last + 1))


_SVM_AXES = {
    "C": _powers(-3, 3),
    "gamma": _powers(-5, 1),
    "kernel": ("rbf", "poly", "sigmoid"),
    "scaling": ("standard", "minmax"),
    "coef0": ("0", "1"),
}
_IMAGE_AXES = {
    "C": _powers(-2, 3),
    "gamma": _powers(-5, 1),
    "pixels": ("fine", "coarse"),
    "scaling": ("range", "standard"),
}
_TEXT_AXES = {
    "strength": _powers(-2, 4),  # inverse, of what keeps the model simple
    "least_documents": (1, 2, 4),
    "model": ("logistic", "bayes"),
    "words": ("single", "pairs"),
    "weights": ("counts", "tf-idf"),
}
_RATING_AXES = {
    "rank": (1, 2, 4, 8),
    "ridge": tuple(10.0 ** (k / 2) for k in range(-2, 5)),
    "rounds": (1, 2, 4, 8),
    "ridge_by": ("user", "rating"),
}
GRIDS: Mapping[str, Grid] = {
    "svm": Grid("maximize", "balanced accuracy", _SVM_AXES, _svm),
    "images": Grid("maximize", "accuracy", _IMAGE_AXES, _images),
    "texts": Grid("maximize", "accuracy", _TEXT_AXES, _texts),
    "interactions": Grid("minimize", "root mean squared error", _RATING_AXES, _interactions),
}
