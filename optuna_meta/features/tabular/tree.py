"""The shape of a decision tree that is grown on a data set.

Bensusan, Giraud-Carrier and Kennedy (2000), "A higher-order approach to meta-learning"; the names
and definitions are pymfe's. A tree of classes is grown until its leaves are pure. One of numbers
would then have a leaf for each of them: it is split only where that explains at least a hundredth
of the target's variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.design import make_design
from optuna_meta.features.measures import mean
from optuna_meta.features.measures import sd
from optuna_meta.features.measures import standardise


__all__ = ["describe_tree"]

_MAX_ROWS = 1_000
_MAX_COLUMNS = 100
_LEAST_EXPLAINED = 0.01


def describe_tree(
    z: NDArray[np.float64],
    codes: NDArray[np.int64],
    y: NDArray[Any],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Returns the tree's measures.

    Empty without a column that varies or without a target, and where more than half of the rows
    have a class of their own.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c), -1 where missing.
        y: The target of shape (m,), float64 numbers or int64 class codes.
        rng: Draws up to 1,000 rows and 100 columns.
    """
    rows = np.flatnonzero(~np.isnan(y) if is_numeric(y) else y >= 0)
    rows = _draw(rows, _MAX_ROWS, rng)
    design = make_design(z[rows], codes[rows])
    design = design[:, _draw(np.arange(design.shape[1]), _MAX_COLUMNS, rng)]
    if not design.size or _is_identifier(y[rows]):
        return {}
    model = _grow(design, y[rows])
    shape = _measure(model.tree_, model.feature_importances_)
    return shape if is_numeric(y) else shape | _share_leaves(model.tree_)


def _draw(indices: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if len(indices) <= limit:
        return indices
    return np.sort(rng.choice(indices, limit, replace=False))


def _is_identifier(y: NDArray[Any]) -> bool:
    return not is_numeric(y) and 2 * len(np.unique(y)) > len(y) > 20


def _grow(design: NDArray[np.float64], y: NDArray[Any]) -> Any:
    # Imported here, for scikit-learn takes most of a second and many studies need none of it.
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree import DecisionTreeRegressor

    if not is_numeric(y):
        return DecisionTreeClassifier(random_state=0).fit(design, y)
    z = standardise(y[:, None])
    # In single precision, so that the rounding of other units does not decide between splits.
    target = z[:, 0].astype(np.float32) if z.shape[1] else np.zeros(len(y))
    return DecisionTreeRegressor(min_impurity_decrease=_LEAST_EXPLAINED, random_state=0).fit(
        design, target
    )


def _measure(tree: Any, importances: NDArray[np.float64]) -> dict[str, float]:
    depths = _depths(tree)
    leaf = tree.children_left < 0
    nr_nodes = int(np.sum(~leaf))
    repeated = np.unique(tree.feature[~leaf], return_counts=True)[1]
    arrival = 0.5 ** depths[leaf]  # of a walk that turns at random
    levels = np.bincount(depths[~leaf])
    alike = np.multiply(*np.unique(arrival, return_counts=True))
    return {
        "leaves": float(np.sum(leaf)),
        "nodes": nr_nodes,
        "nodes_per_attr": nr_nodes / tree.n_features,
        "nodes_per_inst": nr_nodes / tree.n_node_samples[0],
        "nodes_per_level.mean": mean(levels),
        "nodes_per_level.sd": sd(levels),
        "nodes_repeated.mean": mean(repeated),
        "nodes_repeated.sd": sd(repeated),
        "tree_depth.mean": mean(depths),
        "tree_depth.sd": sd(depths),
        "tree_depth.max": float(depths.max()),
        "leaves_branch.mean": mean(depths[leaf]),
        "leaves_branch.sd": sd(depths[leaf]),
        "leaves_corrob.sd": sd(tree.n_node_samples[leaf] / tree.n_node_samples[0]),
        "tree_shape.mean": mean(arrival * depths[leaf]),
        "tree_imbalance.mean": mean(alike * 0.5**alike),
        "var_importance.mean": mean(importances),
        "var_importance.sd": sd(importances),
        "var_importance.max": float(importances.max()),
    }


def _share_leaves(tree: Any) -> dict[str, float]:
    classes = np.argmax(tree.value[tree.children_left < 0, 0], axis=1)
    shares = np.unique(classes, return_counts=True)[1] / len(classes)
    return {"leaves_per_class.mean": mean(shares), "leaves_per_class.sd": sd(shares)}


def _depths(tree: Any) -> NDArray[np.int64]:
    depths = np.zeros(tree.node_count, dtype=np.int64)
    # A node stands before its children.
    for node, children in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if children[0] >= 0:
            depths[list(children)] = depths[node] + 1
    return depths
