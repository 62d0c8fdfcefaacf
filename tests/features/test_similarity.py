from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.optimize import minimize

from optuna_meta.features import similarity
from optuna_meta.features.similarity import learned_similarity
from optuna_meta.features.similarity import LEAST_STUDIES
from optuna_meta.features.similarity import nearness
from optuna_meta.features.similarity import Similarity


Array = NDArray[np.float64]
Features = list[dict[str, float]]


def studies(n: int, seed: int = 0, per_study: int = 6) -> tuple[Features, Array, NDArray[Any]]:
    """Studies whose optimum follows the feature ``size``; ``luck`` says nothing.

    Returns:
        Their features, what each expects of rows, and who has run each row.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.permutation(n) / n
    x = np.concatenate([s + 0.1 * rng.standard_normal(per_study) for s in sizes])
    Z = np.abs(x[:, None] - sizes) + 0.01 * rng.standard_normal((len(x), n))
    features = [{"size": 10.0 ** (1 + 5 * s), "luck": rng.random()} for s in sizes]
    return features, Z, np.repeat(np.arange(n), per_study)


def learned(features: Features, target: Mapping[str, float], Z: Array, owners: Any) -> Similarity:
    return learned_similarity(features, target, np.arange(len(features)), Z, owners)


def test_the_feature_that_matters_is_found() -> None:
    features, Z, owners = studies(16)
    found = learned(features[1:], features[0], Z[6:, 1:], owners[6:] - 1)
    assert not found.is_uniform
    assert next(iter(found.relevant())) == "size" and found.relevant()["size"] > 0.8
    assert found.relevance.sum() == pytest.approx(1.0) and (found.relevance >= 0.0).all()
    sizes = np.log([f["size"] for f in features])
    nearest = int(np.argmin(np.abs(sizes[1:] - sizes[0])))
    assert found.weights.argmax() == nearest
    assert found.weights.sum() == pytest.approx(1.0) and (found.weights > 0.0).all()
    assert found.reasons(nearest)[0] == "size"
    farthest = int(np.argmax(np.abs(sizes[1:] - sizes[0])))
    assert found.reasons(farthest) == ()


def test_learned_weights_predict_a_left_out_study_better_than_uniform_ones() -> None:
    features, Z, owners = studies(16)
    gains = []
    for t in range(16):
        others = np.delete(np.arange(16), t)
        rows = owners != t
        renumbered = owners[rows] - (owners[rows] > t)
        found = learned([features[i] for i in others], features[t], Z[rows][:, others], renumbered)
        errors = [
            np.mean((Z[:, others] @ w - Z[:, t]) ** 2)
            for w in (found.weights, np.full(15, 1 / 15))
        ]
        gains.append(errors[1] - errors[0])
    assert np.mean(gains) > 3.0 * np.std(gains) / 4.0


def rejection_reason(kind: str) -> tuple[Features, dict[str, float]]:
    rng = np.random.default_rng(1)
    features: Features = studies(17)[0]
    if kind == "permuted":
        features = [features[i] for i in rng.permutation(17)]
    if kind == "constant":
        features = [{"size": 3.0} for _ in range(17)]
    if kind == "nan":
        features = [{"size": math.nan} for _ in range(17)]
    if kind == "other":
        return features[:16], {"elsewhere": 1.0}
    if kind == "empty":
        return features[:16], {}
    if kind == "unknown":
        features = [{} for _ in range(16)] + [{"size": 1.0}]
    return features[:16], features[16]


@pytest.mark.parametrize("kind", ["permuted", "constant", "nan", "other", "empty", "unknown"])
def test_useless_features_give_uniform_weights_exactly(kind: str) -> None:
    _, Z, owners = studies(16)
    features, target = rejection_reason(kind)
    found = learned(features, target, Z, owners)
    np.testing.assert_array_equal(found.weights, np.full(16, 1 / 16))
    assert found.is_uniform and found.relevant() == {} and found.reasons(0) == ()


def test_few_studies_weigh_the_same() -> None:
    for n in range(1, LEAST_STUDIES):
        found = learned(*studies(n)[:1], {"size": 10.0}, *studies(n)[1:])
        np.testing.assert_array_equal(found.weights, np.full(n, 1 / n))


def test_neither_units_nor_outliers_count() -> None:
    features, Z, owners = studies(16)
    target = {"size": 5e3, "luck": 0.5}
    plain = learned(features, target, Z, owners)
    changed = [{"size": math.log(f["size"]), "luck": f["luck"] ** 9 * 1e300} for f in features]
    other = {"size": math.log(5e3), "luck": 0.5**9 * 1e300}
    np.testing.assert_allclose(learned(changed, other, Z, owners).weights, plain.weights)


def test_weights_follow_the_studies() -> None:
    features, Z, owners = studies(12)
    target = {"size": 5e3, "luck": 0.5}
    plain = learned(features, target, Z, owners).weights
    order = np.random.default_rng(0).permutation(12)
    place = np.argsort(order)
    moved = learned([features[i] for i in order], target, Z[:, order], place[owners]).weights
    np.testing.assert_allclose(moved, plain[order], rtol=1e-6)


def test_a_study_without_features_weighs_between_the_others() -> None:
    features, Z, owners = studies(16)
    target = dict(features[3])
    features[7] = {}
    weights = learned(features, target, Z, owners).weights
    assert weights.min() < weights[7] < weights.max()


def test_a_study_from_which_nothing_was_learned_has_a_weight() -> None:
    features, Z, owners = studies(16)
    more = [*features, dict(features[2]), {"size": 1e9, "luck": 0.1}]
    found = learned_similarity(more, dict(features[2]), np.arange(16), Z, owners)
    assert len(found.weights) == 18
    assert found.weights[16] == pytest.approx(found.weights[2]) and found.weights[17] < 1 / 18


def test_coefficients_are_those_of_a_ridge_regression_that_are_not_negative() -> None:
    rng = np.random.default_rng(3)
    differences = rng.random((9, 9, 4))
    differences += differences.transpose(1, 0, 2)
    apart = differences @ [1.0, 0.0, 0.5, -0.5] + 0.1 * rng.random((9, 9))
    apart += apart.T
    found = similarity._coefficients(differences, apart)
    pairs = np.triu_indices(9, 1)
    A, d = differences[pairs], apart[pairs]
    A, d = A - A.mean(axis=0), (d - d.mean()) / d.std()
    expected = minimize(
        lambda b: np.sum((A @ b - d) ** 2) + 0.2 * len(d) * b @ b,
        np.full(4, 0.1),
        bounds=[(0.0, None)] * 4,
        options={"ftol": 1e-14, "gtol": 1e-10},
    ).x
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found[3] == 0.0


def test_differences_average_to_one_and_so_do_unknown_ones() -> None:
    rng = np.random.default_rng(4)
    scores = rng.standard_normal((8, 2))
    scores[2, 1] = np.nan
    names, scaled = similarity._in_units(("a", "b"), scores, np.arange(8))
    differences = similarity._differences(scaled, scaled)
    assert names == ("a", "b")
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(differences[off].mean(axis=0), 1.0)
    assert (differences[2, :, 1] == 1.0).all()


def test_the_nearest_study_weighs_most_where_nothing_is_learned() -> None:
    features = [{"size": 10.0, "d": 1.0}, {"size": 1e3, "d": 5.0}, {"size": 1e6, "d": 9.0}, {}]
    weights = nearness(features, {"size": 900.0, "d": 4.0})
    assert weights.sum() == pytest.approx(1.0) and weights.argmax() == 1
    assert weights[3] < weights[1]
    np.testing.assert_array_equal(nearness(features, {}), np.full(4, 0.25))


def test_a_feature_that_few_studies_have_counts() -> None:
    rng = np.random.default_rng(0)
    rare = np.arange(12) < 3
    optima = np.where(rare, 0.9, 0.2)
    x = np.repeat(optima, 6) + 0.1 * rng.standard_normal(72)
    Z = np.abs(x[:, None] - optima) + 0.01 * rng.standard_normal((72, 12))
    features = [{"rare": float(is_rare)} for is_rare in rare]
    found = learned(features, {"rare": 1.0}, Z, np.repeat(np.arange(12), 6))
    assert found.weights[:3].min() > 2.0 * found.weights[3:].max()
