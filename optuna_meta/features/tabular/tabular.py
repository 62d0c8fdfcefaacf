"""Meta-features of a tabular data set.

Where the definition is the same, the names are those of pymfe (Alcobaca et al. 2020, "MFE:
Towards reproducible meta-feature extraction"); ``.mean``, ``.sd`` (dividing by n - 1), ``.min``
and ``.max`` summarise a measure over columns, classes or nodes. Of several outputs a feature of
the target is the mean over the outputs, five at most, drawn by the seed.

Group ``simple``:

* ``nr_inst``, ``nr_attr``, ``nr_num``, ``nr_cat``, ``attr_to_inst``: rows, columns, numeric and
  categorical columns, columns per row; ``nr_bin``: columns of two values.
* ``missing_ratio``, ``inst_missing_ratio``: shares of the cells that are missing, and of the rows
  with such a cell.
* ``nr_outputs``: of the target, 0 without one. ``is_regression``: 1 or 0. ``nr_class``,
  ``freq_class.min``, ``freq_class.max`` and ``freq_class.sd`` (shares): classification only.

Group ``statistical``, of numeric columns that vary, standardised:

* ``zero_ratio``, ``outlier_ratio``: shares of the numeric cells present that are 0 (as they came),
  and outside Tukey's fences.
* ``skewness``, ``kurtosis``, ``iq_range``, ``mad``; ``cor`` (absolute correlation) and
  ``nr_cor_attr``, the share of pairs where it is at least 0.5.
* ``sparsity``: (n / k - 1) / (n - 1) for k different values; of categorical columns, too.
* ``pca_first_ratio``, ``pca_95_ratio``: the first principal component's share of variance, and
  the share of components that reach 95 % of it.
* ``can_cor``, ``w_lambda``, ``gravity`` (classification only): see :mod:`.discriminants`.
* ``target_skewness``, ``target_kurtosis``: regression only.

Group ``info-theory``, in bits, numbers in n^(1/3) bins of equal frequency, rare categories pooled,
over the columns that vary; a number to regress on is binned, too (see :mod:`.information`):

* ``class_ent`` (classification only), ``attr_ent``, ``joint_ent``, ``mut_inf``: entropies of the
  target, of a column, of both; mutual information. ``eq_num_attr``, ``ns_ratio``: how many columns
  of mean information would do, and what of the columns' entropy is noise.
* ``attr_conc``, ``class_conc``: how well a column's value is told from another's, or from the
  class: Goodman and Kruskal's tau.

Group ``landmarking``: ``best_node``, ``random_node``, ``worst_node``, ``one_nn``, ``elite_nn``,
``naive_bayes`` and ``linear_discr`` (classification only), ``ridge`` (regression only): see
:mod:`.landmarkers`.

Group ``model-based``: ``leaves``, ``nodes``, ``nodes_per_attr``, ``nodes_per_inst``,
``nodes_per_level``, ``nodes_repeated``, ``tree_depth``, ``leaves_branch``, ``leaves_corrob``,
``leaves_per_class`` (classification only), ``tree_shape``, ``tree_imbalance``,
``var_importance``: see :mod:`.tree`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.budget import Budget
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.groups import chosen
from optuna_meta.features.groups import compute
from optuna_meta.features.measures import absolute_correlations
from optuna_meta.features.measures import component_shares
from optuna_meta.features.measures import discretise
from optuna_meta.features.measures import entropy
from optuna_meta.features.measures import kurtosis
from optuna_meta.features.measures import mean
from optuna_meta.features.measures import outlier_ratio
from optuna_meta.features.measures import ratio
from optuna_meta.features.measures import sd
from optuna_meta.features.measures import skewness
from optuna_meta.features.measures import sparsity
from optuna_meta.features.measures import spreads
from optuna_meta.features.measures import standardise
from optuna_meta.features.tabular.discriminants import separate
from optuna_meta.features.tabular.information import describe_columns
from optuna_meta.features.tabular.information import relate_columns
from optuna_meta.features.tabular.landmarkers import landmark
from optuna_meta.features.tabular.table import read_table
from optuna_meta.features.tabular.table import Table
from optuna_meta.features.tabular.tree import describe_tree
from optuna_meta.features.target import split_outputs
from optuna_meta.features.target import summarise_target
from optuna_meta.features.target import Target
from optuna_meta.features.target import Task


__all__ = ["tabular_meta_features", "TABULAR_GROUPS"]

_MAX_OUTPUTS = 5

# In the order of their cost, for a budget may not last for all of them.
TABULAR_GROUPS: Mapping[str, tuple[str, ...]] = {
    "simple": (
        *("nr_inst", "nr_attr", "nr_num", "nr_cat", "nr_bin", "attr_to_inst"),
        *("missing_ratio", "inst_missing_ratio", "nr_outputs", "is_regression"),
        *("nr_class", "freq_class.min", "freq_class.max", "freq_class.sd"),
    ),
    "statistical": (
        *("zero_ratio", "outlier_ratio"),
        *("skewness.mean", "skewness.sd", "kurtosis.mean", "kurtosis.sd"),
        *("iq_range.mean", "iq_range.sd", "mad.mean", "mad.sd"),
        *("cor.mean", "cor.sd", "nr_cor_attr", "sparsity.mean", "sparsity.sd"),
        *("pca_first_ratio", "pca_95_ratio"),
        *("can_cor.mean", "can_cor.max", "w_lambda", "gravity"),
        *("target_skewness", "target_kurtosis"),
    ),
    "info-theory": (
        *("class_ent", "attr_ent.mean", "attr_ent.sd", "joint_ent.mean"),
        *("mut_inf.mean", "mut_inf.sd", "mut_inf.max", "eq_num_attr", "ns_ratio"),
        *("attr_conc.mean", "class_conc.mean"),
    ),
    "landmarking": (
        *("best_node", "random_node", "worst_node", "one_nn", "elite_nn"),
        *("naive_bayes", "linear_discr", "ridge"),
    ),
    "model-based": (
        *("leaves", "nodes", "nodes_per_attr", "nodes_per_inst"),
        *("nodes_per_level.mean", "nodes_per_level.sd"),
        *("nodes_repeated.mean", "nodes_repeated.sd"),
        *("tree_depth.mean", "tree_depth.sd", "tree_depth.max"),
        *("leaves_branch.mean", "leaves_branch.sd", "leaves_corrob.sd"),
        *("leaves_per_class.mean", "leaves_per_class.sd"),
        *("tree_shape.mean", "tree_imbalance.mean"),
        *("var_importance.mean", "var_importance.sd", "var_importance.max"),
    ),
}


class _Data(NamedTuple):
    table: Table
    z: NDArray[np.float64]  # (m, a), its numeric columns that vary, standardised
    targets: list[Target]  # of each output that was drawn
    nr_outputs: int


def tabular_meta_features(
    X: Any,
    y: Any = None,
    *,
    groups: Iterable[str] | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    task: Task | None = None,
) -> dict[str, float]:
    """Returns the meta-features of a tabular data set, named as in the module's docstring.

    The names and their order are always the same for the same groups; a feature that does not
    apply, or for which no time was left, is NaN. Counts of rows, columns and classes are of all
    rows; the moments of a number to regress on of at most a million, the others of at most 2,000
    rows and 200 columns of each kind. Infinite numbers count as missing. Counts are raw, not
    their logarithms.

    Args:
        X: n rows by p columns, numeric or categorical, with missing cells or without: an array, a
            memory map, a torch tensor, a list of rows, a pandas data frame, a SciPy sparse matrix.
            Bools and dates are numeric; strings are categories, even those that spell numbers.
        y: The target: n values, or n rows of several outputs; None where there is none. Numbers
            are classes where all are whole, at most max(20, sqrt(n)) of them differ and some value
            repeats; others are regressed on.
        groups: Which groups to compute; None for all.
        budget: The time that there is; None for no limit.
        seed: Of the generator that draws the rows, the columns and the landmarkers' folds.
        task: "classification" or "regression", to override what y looks like.

    Raises:
        ValueError: If X is not two-dimensional or is empty, y has another length or three
            dimensions, the task does not suit y, or a group is unknown.
    """
    chosen(TABULAR_GROUPS, groups)  # Before anything is read.
    budget = budget or Budget()
    rng = np.random.default_rng(seed)
    data = _read(X, y, rng, np.random.default_rng([seed, 1]), task)
    tree_rng = np.random.default_rng([seed, 2])

    def land(data: _Data, target: Target) -> Mapping[str, float]:
        return landmark(data.z, data.table.codes, target.values, rng, budget)

    def grow(data: _Data, target: Target) -> Mapping[str, float]:
        return describe_tree(data.z, data.table.codes, target.values, tree_rng)

    steps: dict[str, Callable[[], Mapping[str, float]]] = {
        "simple": lambda: _count(data) | _over_outputs(_describe_classes, data),
        "statistical": lambda: _describe_numbers(data) | _over_outputs(_moments, data, budget),
        "info-theory": lambda: _inform(data, budget),
        "landmarking": lambda: _over_outputs(land, data, budget),
        "model-based": lambda: _over_outputs(grow, data, budget),
    }
    return compute("", TABULAR_GROUPS, steps, groups, budget)


def _read(
    X: Any, y: Any, rng: np.random.Generator, output_rng: np.random.Generator, task: Task | None
) -> _Data:
    table = read_table(X, rng)
    outputs = [] if y is None else split_outputs(y)
    if outputs and len(outputs[0]) != table.nr_inst:
        raise ValueError(
            f"y must have a value for each of the {table.nr_inst} rows of X, got "
            f"{len(outputs[0])}. Pass X and y of the same instances."
        )
    kept = np.arange(len(outputs))
    if len(outputs) > _MAX_OUTPUTS:
        kept = np.sort(output_rng.choice(kept, _MAX_OUTPUTS, replace=False))
    targets = [_renumber(summarise_target(outputs[j], table.rows, task)) for j in kept]
    return _Data(table, standardise(table.numbers), targets, len(outputs))


def _renumber(target: Target) -> Target:
    """Returns the target with the numbers of those classes alone that the sample has."""
    if is_numeric(target.values):
        return target
    codes = np.full(len(target.values), -1, dtype=np.int64)
    present = target.values >= 0
    codes[present] = np.unique(target.values[present], return_inverse=True)[1]
    return target._replace(values=codes)


def _over_outputs(
    describe: Callable[[_Data, Target], Mapping[str, float]],
    data: _Data,
    budget: Budget | None = None,
) -> dict[str, float]:
    """Returns the mean of each feature over the outputs that have it.

    Empty where the time does not last for all of several outputs, as the mean of some would be
    another feature.
    """
    budget = budget or Budget()
    described = [describe(data, target) for target in data.targets if budget.allows()]
    if len(data.targets) > 1 and not budget.allows():
        return {}
    values: dict[str, list[float]] = {}
    for name, value in (pair for features in described for pair in features.items()):
        if not np.isnan(value):
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(known)) for name, known in values.items()}


def _count(data: _Data) -> dict[str, float]:
    table = data.table
    nr_attr = table.nr_num + table.nr_cat
    missing = np.hstack([np.isnan(table.numbers), table.codes < 0])
    return {
        "nr_inst": table.nr_inst,
        "nr_attr": nr_attr,
        "nr_num": table.nr_num,
        "nr_cat": table.nr_cat,
        "nr_bin": _count_binary(table),
        "attr_to_inst": nr_attr / table.nr_inst,
        "missing_ratio": float(missing.mean()),
        "inst_missing_ratio": float(missing.any(axis=1).mean()),
        "nr_outputs": data.nr_outputs,
    }


def _count_binary(table: Table) -> float:
    """Returns the number of columns of two values, projected from those that were drawn."""
    numeric = [len(np.unique(c[~np.isnan(c)])) == 2 for c in table.numbers.T]
    categorical = [len(np.unique(c[c >= 0])) == 2 for c in table.codes.T]
    parts = ((numeric, table.nr_num), (categorical, table.nr_cat))
    return sum(nr * float(np.mean(binary)) for binary, nr in parts if binary)


def _describe_classes(data: _Data, target: Target) -> dict[str, float]:
    if is_numeric(target.values):
        return {"is_regression": 1.0}
    if not target.counts.size:
        return {"is_regression": 0.0, "nr_class": 0.0}
    shares = target.counts / target.counts.sum()
    return {
        "is_regression": 0.0,
        "nr_class": len(shares),
        "freq_class.min": shares.min(),
        "freq_class.max": shares.max(),
        "freq_class.sd": sd(shares),
    }


def _describe_numbers(data: _Data) -> dict[str, float]:
    table, z = data.table, data.z
    present = ~np.isnan(table.numbers)
    columns = [*(c[~np.isnan(c)] for c in table.numbers.T), *(c[c >= 0] for c in table.codes.T)]
    sparsities = np.array([sparsity(column) for column in columns if len(column) > 1])
    features = {
        "zero_ratio": ratio((table.numbers == 0).sum(), present.sum()),
        "sparsity.mean": mean(sparsities),
        "sparsity.sd": sd(sparsities),
    }
    if not z.shape[1]:
        return features
    shares = component_shares(z)
    correlations = absolute_correlations(z)
    return features | {
        "outlier_ratio": outlier_ratio(z),
        **_summarise("skewness", skewness(z)),
        **_summarise("kurtosis", kurtosis(z)),
        **_summarise("iq_range", spreads(z)[0]),
        **_summarise("mad", spreads(z)[1]),
        **_summarise("cor", correlations),
        "nr_cor_attr": mean(correlations >= 0.5),
        "pca_first_ratio": shares[0],
        "pca_95_ratio": (np.searchsorted(np.cumsum(shares), 0.95) + 1) / len(shares),
    }


def _summarise(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    return {f"{name}.mean": mean(values), f"{name}.sd": sd(values)}


def _moments(data: _Data, target: Target) -> dict[str, float]:
    moments = {"target_skewness": target.skewness, "target_kurtosis": target.kurtosis}
    return separate(data.z, target.values) | moments


def _inform(data: _Data, budget: Budget) -> dict[str, float]:
    nr_bins = max(2, round(len(data.table.rows) ** (1 / 3)))
    pooled = [_pool(column, nr_bins) for column in data.table.codes.T if np.ptp(column) > 0]
    columns = [*discretise(data.z, nr_bins).T, *pooled]

    def relate(data: _Data, target: Target) -> Mapping[str, float]:
        features = relate_columns(columns, _discretise_target(target.values, nr_bins))
        return features | {"class_ent": entropy(target.counts)} if target.counts.size else features

    return describe_columns(columns) | _over_outputs(relate, data, budget)


def _discretise_target(target: NDArray[Any], nr_bins: int) -> NDArray[np.int64]:
    if not is_numeric(target):
        return target
    z = standardise(target[:, None])
    return discretise(z, nr_bins)[:, 0] if z.shape[1] else np.where(np.isnan(target), -1, 0)


def _pool(codes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Returns codes of shape (m,) in which the rarest categories share the last number."""
    counts = np.bincount(codes[codes >= 0])
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(codes < 0, -1, np.minimum(rank[codes], limit - 1))
