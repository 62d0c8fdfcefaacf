from __future__ import annotations

from collections.abc import Mapping
import math

import numpy as np
import pytest

from optuna_meta.similarity import prior_weights


NEAR = {"n": 1000.0, "d": 10.0, "skew": 0.1}
FAR = {"n": 1e6, "d": 2000.0, "skew": 9.0}
MIDDLE = {"n": 2e4, "d": 100.0, "skew": 2.0}


@pytest.mark.parametrize(
    ("features", "target"),
    [
        ([], NEAR),
        ([NEAR], NEAR),
        ([NEAR, FAR], None),
        ([NEAR, FAR], {}),
        ([{}, {}, {}], NEAR),
        ([NEAR, FAR], {"other": 1.0}),
        ([NEAR, NEAR, NEAR], NEAR),
        ([NEAR, FAR], {"n": math.nan}),
        ([{"n": math.nan}, {"n": math.nan}], NEAR),
        ([NEAR, {}], NEAR),
    ],
)
def test_weights_are_uniform_where_nothing_compares(
    features: list[Mapping[str, float]], target: Mapping[str, float] | None
) -> None:
    n = len(features)
    np.testing.assert_allclose(prior_weights(features, target), np.full(n, 1 / max(n, 1)))


def test_the_nearest_study_weighs_most_and_the_farthest_still_counts() -> None:
    weights = prior_weights([FAR, NEAR, MIDDLE], NEAR)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1] > weights[2] > weights[0] >= 0.5 / 3


def test_weights_follow_the_studies() -> None:
    features = [FAR, NEAR, MIDDLE, {}]
    order = [2, 3, 0, 1]
    weights = prior_weights(features, NEAR)
    permuted = prior_weights([features[i] for i in order], NEAR)
    np.testing.assert_allclose(permuted, weights[order])


def test_a_study_without_features_weighs_between_the_others() -> None:
    weights = prior_weights([FAR, NEAR, {}], NEAR)
    assert weights[0] < weights[2] < weights[1]


def test_one_wild_feature_does_not_decide() -> None:
    rng = np.random.default_rng(0)
    features = [{f"f{i}": float(v) for i, v in enumerate(rng.random(10))} for _ in range(6)]
    wild = [{**f, "wild": 1e300 if i == 0 else float(i)} for i, f in enumerate(features)]
    target = {**features[0], "wild": 0.0}
    weights = prior_weights(wild, target)
    assert np.isfinite(weights).all() and weights[0] > 1 / 6


def test_units_hardly_matter() -> None:
    features = [{"bytes": 10.0**i} for i in range(3, 9)]
    scaled = [{"bytes": 1e6 * f["bytes"]} for f in features]
    np.testing.assert_allclose(
        prior_weights(features, features[2]), prior_weights(scaled, scaled[2]), atol=1e-3
    )


def test_a_constant_or_missing_feature_changes_nothing() -> None:
    features = [NEAR, FAR, MIDDLE]
    more = [{**f, "constant": 7.0, "gap": math.nan} for f in features]
    target = {**NEAR, "constant": 7.0, "gap": 1.0}
    np.testing.assert_allclose(prior_weights(more, target), prior_weights(features, NEAR))
