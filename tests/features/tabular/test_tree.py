from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from optuna_meta.features.stats import standardise
from optuna_meta.features.tabular.tree import describe_tree


def describe(numbers: Any, y: Any, codes: Any = None, seed: int = 0) -> dict[str, float]:
    codes = np.empty((len(y), 0), dtype=np.int64) if codes is None else np.asarray(codes)
    z = standardise(np.asarray(numbers, dtype=float).reshape(len(y), -1))
    return describe_tree(z, codes, np.asarray(y), np.random.default_rng(seed))


def test_a_staircase_has_the_tree_that_one_draws_by_hand() -> None:
    # The classes 0, 1, 0 along one column: a root, one inner node, three leaves.
    x = np.arange(9.0)
    features = describe(x, np.repeat([0, 1, 0], 3))
    expected = {
        "leaves": 3,
        "nodes": 2,
        "nodes_per_attr": 2,
        "nodes_per_inst": 2 / 9,
        "nodes_per_level.mean": 1,
        "nodes_repeated.mean": 2,
        "tree_depth.mean": (0 + 1 + 1 + 2 + 2) / 5,
        "tree_depth.max": 2,
        "leaves_branch.mean": 5 / 3,
        "leaves_branch.sd": np.std([1, 2, 2], ddof=1),
        "leaves_corrob.sd": 0,
        "leaves_per_class.mean": 1 / 2,
        "leaves_per_class.sd": np.std([2 / 3, 1 / 3], ddof=1),
        # A walk that turns at random ends at depth 1 with 1/2, at either of depth 2 with 1/4.
        "tree_shape.mean": (1 / 2 + 2 / 4 + 2 / 4) / 3,
        "tree_imbalance.mean": 0.5 * 2**-0.5,
        "var_importance.mean": 1,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected)


def test_iris_has_the_tree_of_sklearn() -> None:
    X, y = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    features = describe(X, y)
    assert features["leaves"] == tree.get_n_leaves()
    assert features["tree_depth.max"] == tree.get_depth()
    importances = tree.feature_importances_
    assert features["var_importance.sd"] == pytest.approx(importances.std(ddof=1))
    leaves = tree.tree_.n_node_samples[tree.tree_.children_left < 0]
    assert features["leaves_corrob.sd"] == pytest.approx((leaves / 150).std(ddof=1))


def test_numbers_are_split_where_that_explains_them() -> None:
    X, y = load_diabetes(return_X_y=True)
    # Each of the splits explains a hundredth of the variance, and most of it stays unexplained.
    features = describe(X, y)
    assert 2 < features["leaves"] < 50
    noise = describe(X, np.random.default_rng(0).permutation(y))
    assert noise["var_importance.max"] < features["var_importance.max"]
    steps = np.where(X[:, 2] > 0, 1.0, 0.0)
    features = describe(X, steps)
    assert (features["leaves"], features["var_importance.max"]) == (2, 1)
    assert "leaves_per_class.mean" not in features


def test_a_category_can_be_split_on() -> None:
    y = np.arange(60) % 2
    assert describe(np.empty((60, 0)), y, codes=y[:, None])["leaves"] == 2


def test_a_constant_response_needs_one_leaf() -> None:
    x = np.arange(30.0)
    for y in (np.zeros(30, dtype=int), np.full(30, 0.1)):
        features = describe(x, y)
        assert (features["leaves"], features["nodes"], features["tree_depth.max"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones(30), np.arange(30) % 2),
        (np.arange(30), np.full(30, -1)),
        (np.arange(30), np.full(30, np.nan)),
        (np.arange(30), np.arange(30)),
    ],
    ids=["constant column", "no class", "no number", "a class per row"],
)
def test_without_anything_to_split_there_is_no_tree(x: Any, y: Any) -> None:
    assert describe(x, y) == {}


def test_large_data_are_drawn_by_the_generator() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2_000, 150)), rng.integers(0, 2, 2_000)
    features = describe(X, y)
    assert features == describe(X, y) != describe(X, y, seed=1)
    assert features["nodes_per_inst"] == features["nodes"] / 1_000
    assert features["nodes_per_attr"] == features["nodes"] / 100
