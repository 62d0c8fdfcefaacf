"""The group ``model-based`` of tables: the shape of a decision tree that is grown on them.

Bensusan, Giraud-Carrier and Kennedy (2000), "A higher-order approach to meta-learning"; the names
and definitions are pymfe's. A tree of classes is grown until its leaves are pure. One of numbers
would then have a leaf for each of them: it is split only where that explains at least a hundredth
of the response's variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
import optuna_meta.features.stats as stats
from optuna_meta.features.tabular.table import encode


__all__ = ["describe_tree", "grow_tree"]

_MAX_ROWS = 1_000  # A tree of them grows in a tenth of a second.
_MAX_COLUMNS = 100  # Ten rows each.
_LEAST_IDENTIFIED = 20  # Of fewer rows, classes that hardly repeat need be no identifiers.
_LEAST_EXPLAINED = 0.01  # Of the variance: at most a hundred splits.


def describe_tree(
    z: Array, codes: NDArray[np.int64], y: NDArray[Any], rng: np.random.Generator
) -> dict[str, float]:
    """Return the tree's measures.

    Empty without a column that varies or without a response, and where more than half of the rows
    have a class of their own.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c), -1 where missing.
        y: The response of shape (m,), float64 numbers or int64 class codes.
        rng: Draws up to 1,000 rows and 100 columns.
    """
    rows = np.flatnonzero(~np.isnan(y) if is_numeric(y) else y >= 0)
    rows = rows[stats.subsample(len(rows), _MAX_ROWS, rng)]
    design, y = encode(z[rows], codes[rows]), y[rows]
    design = design[:, stats.subsample(design.shape[1], _MAX_COLUMNS, rng)]
    if not design.size:
        return {}
    if not is_numeric(y):
        if 2 * len(np.unique(y)) > len(y) > _LEAST_IDENTIFIED:
            return {}
        model = grow_tree(design, y)
        leaves = model.tree_.value[model.tree_.children_left < 0, 0]
        shares = np.unique(np.argmax(leaves, axis=1), return_counts=True)[1] / len(leaves)
        return _measure(model) | stats.summarise("leaves_per_class", shares)
    scaled = stats.standardise(y[:, None])
    y = scaled[:, 0] if scaled.shape[1] else np.zeros(len(y))
    model = grow_tree(design, y, _LEAST_EXPLAINED)
    return _measure(model)


def grow_tree(design: Array, y: NDArray[Any], least_explained: float = 0.0) -> Any:
    """Return scikit-learn's decision tree of a response.

    Args:
        design: Shape (m, d), finite.
        y: The response of shape (m,), scaled numbers or class codes.
        least_explained: The variance that a split of numbers has to explain.
    """
    # Imported here, for scikit-learn takes most of a second and many studies need none of it.
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree import DecisionTreeRegressor

    if not is_numeric(y):
        return DecisionTreeClassifier(random_state=0).fit(design, y)
    tree = DecisionTreeRegressor(min_impurity_decrease=least_explained, random_state=0)
    # In single precision, so that the rounding of other units does not decide between splits.
    return tree.fit(design, y.astype(np.float32))


def _measure(model: Any) -> dict[str, float]:
    tree, depths = model.tree_, _depths(model.tree_)
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
        **stats.summarise("nodes_per_level", levels),
        **stats.summarise("nodes_repeated", repeated),
        **stats.summarise("tree_depth", depths),
        **stats.summarise("leaves_branch", depths[leaf]),
        "leaves_corrob.sd": stats.sd(tree.n_node_samples[leaf] / tree.n_node_samples[0]),
        "tree_shape.mean": stats.mean(arrival * depths[leaf]),
        "tree_imbalance.mean": stats.mean(alike * 0.5**alike),
        **stats.summarise("var_importance", model.feature_importances_),
    }


def _depths(tree: Any) -> NDArray[np.int64]:
    depths = np.zeros(tree.node_count, dtype=np.int64)
    # A node stands before its children.
    for node, children in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if children[0] >= 0:
            depths[list(children)] = depths[node] + 1
    return depths
