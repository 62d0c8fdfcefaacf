"""How much each prior study should weigh before the target has any trial, by its meta-features.

Which features matter is learned from the prior studies themselves: how far two of them disagree is
regressed on the squared differences of their features, with coefficients that are not negative and
a ridge. Weights fall with the disagreement that a target's features foretell. How fast, and what
share stays uniform, is chosen leaving one study out, and unless the weights then predict the left
out studies better by more than one standard error, they are uniform. (Nearest neighbours on raw
features were fragile: Feurer et al., 2015, dropped theirs later.)
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg import solve_triangular

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import rank_normal


__all__ = ["LEAST_STUDIES", "Similarity", "learned_similarity", "nearness", "uniform_similarity"]

LEAST_STUDIES = 6  # With features; of fewer none is left out for the others to say anything.
_LEAST_KNOWN = 3  # Studies that have a feature: two tell no more than that they differ.
_RIDGE = 0.2  # Of the number of pairs: differences have mean 1, disagreements unit variance.
# All of these are tried on studies that are left out.
_REACHES = (0.25, 0.5, 1.0, 2.0)  # Of the weights' decay, in median foretold disagreements.
_SHARES = (1.0, 0.75, 0.5, 0.25)  # Of the weights that are not uniform.
_ROUNDING = 1e-9  # What varies less is constant.
_LEAST_SAID = 0.05  # Of all relevance: features below it are no reason to name.


@dataclass(frozen=True)
class Similarity:
    """What meta-features say of T prior studies and a target.

    Args:
        weights: Weight of each study, sum 1.  # (T,)
        names: Features that both the target and prior studies have.
        relevance: Each feature's part in the foretold disagreement, sum 1, or 0 where the weights
            are uniform.  # (q,)
        closeness: Relevance times how much closer than an average study each one is to the
            target, by each feature; 1 is equal, negative is farther than average.  # (T, q)
    """

    weights: Array  # (T,)
    names: tuple[str, ...]
    relevance: Array  # (q,)
    closeness: Array  # (T, q)

    @property
    def is_uniform(self) -> bool:
        """Whether the features tell no study from another."""
        return not self.relevance.any()

    def relevant(self) -> dict[str, float]:
        """Return the features that matter and their relevance, largest first."""
        order = np.argsort(-self.relevance, kind="stable")
        named = order[self.relevance[order] >= _LEAST_SAID]
        return {self.names[k]: float(self.relevance[k]) for k in named}

    def reasons(self, study: int, most: int = 2) -> tuple[str, ...]:
        """Return features by which a study is close to the target, if it weighs more for that."""
        if self.is_uniform or self.weights[study] * len(self.weights) <= 1.0:
            return ()
        said = self.closeness[study]
        order = np.argsort(-said, kind="stable")[:most]
        return tuple(self.names[k] for k in order if said[k] >= 0.5 * _LEAST_SAID)


def uniform_similarity(n_studies: int) -> Similarity:
    """Return equal weights for all, as where nothing tells studies apart."""
    weights = np.full(n_studies, 1.0 / max(n_studies, 1))
    return Similarity(weights, (), np.zeros(0), np.zeros((n_studies, 0)))


def learned_similarity(
    features: Sequence[Mapping[str, float]],
    target: Mapping[str, float],
    teachers: NDArray[np.int64],
    Z: Array,
    owners: NDArray[np.int64],
) -> Similarity:
    """Weigh T prior studies, by what is learned from some of them.

    Args:
        features: Meta-features of each study; empty where none are known.
        target: Meta-features of the target.
        teachers: Studies to learn from, by their index.  # (t,)
        Z: What each teacher expects of some configurations.  # (B, t)
        owners: Which teacher has run each of these.  # (B,)
    """
    nothing = uniform_similarity(len(features))
    names, scores = _scores(features, target)
    known = np.isfinite(scores[teachers]).any(axis=1)
    # Owners among those that are known; -1 for others.
    owners = np.where(known, np.cumsum(known) - 1, -1)[owners]
    Z, teachers = Z[:, known], teachers[known]
    names, scores = _in_units(names, scores, teachers)
    if len(teachers) < LEAST_STUDIES or not names:
        return nothing
    among = _differences(scores[teachers], scores[teachers])
    to_target = _differences(scores[:-1], scores[-1:])[:, 0]  # (T, q)
    apart = _disagreement(Z)
    coefficients, choice = _coefficients(among, apart), _chosen(among, apart, Z, owners)
    if choice is None or coefficients.sum() <= 0.0:
        return nothing
    weights = _weights(to_target @ coefficients, _median_of_pairs(among @ coefficients), *choice)
    relevance = coefficients / coefficients.sum()
    return Similarity(weights, names, relevance, relevance * (1.0 - to_target))


def nearness(features: Sequence[Mapping[str, float]], target: Mapping[str, float]) -> Array:
    """Weigh T studies by a Gaussian of the distance of all their features; shape (T,), sum 1.

    Nothing is learned: for whom few studies must do, and who checks what comes of it.

    Args:
        features: Meta-features of each study; one without any weighs like an average one.
        target: Meta-features of the target.
    """
    names, scores = _in_units(*_scores(features, target), np.arange(len(features)))
    if not names:
        return uniform_similarity(len(features)).weights
    squared = _differences(scores[:-1], scores[-1:])[:, 0].mean(axis=1)
    closeness = np.exp(-(squared - squared.min()))
    return np.asarray(closeness / closeness.sum())


def _scores(
    features: Sequence[Mapping[str, float]], target: Mapping[str, float]
) -> tuple[tuple[str, ...], Array]:
    """Return normal scores of ranks: neither units nor outliers count; NaN where unknown.

    Returns:
        Names of the features that the target has, and the scores of T studies and of the target.
        # (T + 1, q)
    """
    names = tuple(sorted(name for name, value in target.items() if np.isfinite(value)))
    everyone = (*features, target)
    scores = np.full((len(everyone), len(names)), np.nan)
    for k, name in enumerate(names):
        values = np.array([f.get(name, np.nan) for f in everyone], dtype=np.float64)
        known = np.isfinite(values)
        scores[known, k] = rank_normal(values[known])
    return names, scores


def _in_units(
    names: tuple[str, ...], scores: Array, studies: NDArray[np.int64]
) -> tuple[tuple[str, ...], Array]:
    """Keep features that tell some studies apart, whose mean squared difference becomes 1.

    Args:
        names: Names of the features.
        scores: Of all studies, NaN where unknown.  # (T + 1, q)
        studies: Those to tell apart.  # (t,)
    """
    mean_squares = np.zeros(len(names))
    known = np.isfinite(scores[studies]).sum(axis=0) >= _LEAST_KNOWN
    # Of two draws the mean squared difference is twice the variance.
    mean_squares[known] = 2.0 * np.nanvar(scores[studies][:, known], axis=0, ddof=1)
    telling = mean_squares > _ROUNDING
    return tuple(compress(names, telling)), scores[:, telling] / np.sqrt(mean_squares[telling])


def _differences(scores: Array, others: Array) -> Array:
    """Square the differences (t, u, q) of scores (t, q) and (u, q); 1, the mean, where unknown."""
    return np.nan_to_num((scores[:, None, :] - others) ** 2, nan=1.0)


def _disagreement(Z: Array) -> Array:
    """Return 1 - correlation of what studies expect (t, t); 1 for one that expects no change."""
    centred = Z - Z.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 1e-9)
    return np.asarray(1.0 - scaled.T @ scaled)


def _coefficients(differences: Array, apart: Array) -> Array:
    """Return coefficients (q,), not negative, of the ridge regression of (t, t) on (t, t, q)."""
    from scipy.optimize import nnls  # Which takes long to import; only features need it.

    pairs = np.triu_indices(len(apart), k=1)
    A, d = differences[pairs], apart[pairs]
    if np.ptp(d) <= 1e-12:
        return np.zeros(A.shape[1])
    A, d = A - A.mean(axis=0), (d - d.mean()) / d.std()
    # |R b - R'^-1 A'd|^2 is, up to a constant, |A b - d|^2 + ridge |b|^2 with R'R = A'A + ridge.
    R = cholesky(A.T @ A + _RIDGE * len(d) * np.eye(A.shape[1]))
    found, _ = nnls(R, solve_triangular(R, A.T @ d, trans="T"))
    return np.asarray(found)


def _chosen(
    differences: Array, apart: Array, Z: Array, owners: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Choose reach and share that predict left out studies best; ``None`` for uniform weights.

    Each of t studies is left out in turn: its expectations are predicted by the others', at the
    configurations that are not its own, with coefficients learned without it.
    """
    foretold = list(_left_out(differences, apart))

    def losses(reach: float, share: float) -> Array:
        weights = (_weights(*apart_and_unit, reach, share) for apart_and_unit in foretold)
        return np.array([_loss(w, t, Z, owners) for t, w in enumerate(weights)])

    uniform = losses(1.0, 0.0)
    best, choice = 0.0, None
    for reach, share in product(_REACHES, _SHARES):
        gains = uniform - losses(reach, share)
        surely = float(gains.mean() - gains.std(ddof=1) / np.sqrt(len(gains)))
        if surely > best:
            best, choice = surely, (reach, share)
    return choice


def _left_out(differences: Array, apart: Array) -> Iterator[tuple[Array, float]]:
    """Yield each study's foretold disagreements with the others (t - 1,), and their unit."""
    n_studies = len(apart)
    for t in range(n_studies):
        others = np.delete(np.arange(n_studies), t)
        among = differences[np.ix_(others, others)]
        coefficients = _coefficients(among, apart[np.ix_(others, others)])
        yield differences[t, others] @ coefficients, _median_of_pairs(among @ coefficients)


def _loss(weights: Array, study: int, Z: Array, owners: NDArray[np.int64]) -> float:
    """Return the mean squared error of the others' weighted mean, for a study left out."""
    rows = owners != study
    mean = np.delete(Z[rows], study, axis=1) @ weights
    return float(np.mean((mean - Z[rows, study]) ** 2))


def _weights(foretold: Array, unit: float, reach: float, share: float) -> Array:
    """Return weights (t,), a share of which decays with the foretold disagreement."""
    n = len(foretold)
    if unit <= 0.0:
        return np.full(n, 1.0 / n)
    decay = np.exp(-(foretold - foretold.min()) / (reach * unit))
    return np.asarray((1.0 - share) / n + share * decay / decay.sum())


def _median_of_pairs(matrix: Array) -> float:
    """Return the median of those that differ: of a rare feature, most pairs do not."""
    pairs = matrix[np.triu_indices(len(matrix), k=1)]
    return float(np.median(pairs[pairs > 1e-12])) if (pairs > 1e-12).any() else 0.0
