"""Meta-features of a tabular data set.

Where the definition is the same, the names are those of pymfe (Alcobaca et al. 2020, "MFE:
Towards reproducible meta-feature extraction"); ``.mean``, ``.sd`` (dividing by n - 1), ``.min``
and ``.max`` summarise a measure over columns, classes or nodes. Of several outputs a feature of
the response is the mean over the outputs, five at most, drawn by the seed.

Group ``simple``:

* ``nr_inst``, ``nr_attr``, ``nr_num``, ``nr_cat``, ``attr_to_inst``: rows, columns, numeric and
  categorical columns, columns per row; ``nr_bin``: columns of two values.
* ``missing_ratio``, ``inst_missing_ratio``: shares of the cells that are missing, and of the rows
  with such a cell.
* ``nr_outputs``: of the response, 0 without one. ``is_regression``: 1 or 0. ``nr_class``,
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
  response, of a column, of both; mutual information. ``eq_num_attr``, ``ns_ratio``: how many
  columns of mean information would do, and what of the columns' entropy is noise.
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
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import Extractor
from optuna_meta.features.groups import Steps
from optuna_meta.features.response import describe_classes
from optuna_meta.features.response import ProblemType
from optuna_meta.features.response import Response
from optuna_meta.features.response import split_outputs
from optuna_meta.features.response import summarise_response
import optuna_meta.features.stats as stats
from optuna_meta.features.tabular.discriminants import separate
import optuna_meta.features.tabular.information as information
from optuna_meta.features.tabular.landmarkers import landmark
import optuna_meta.features.tabular.simple as simple
from optuna_meta.features.tabular.statistical import describe_numbers
from optuna_meta.features.tabular.table import read_table
from optuna_meta.features.tabular.tree import describe_tree


__all__ = ["tabular_meta_features", "TABULAR_GROUPS"]

_MAX_OUTPUTS = 5  # A data set of a thousand labels takes no longer than one of five.

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


def prepare_table(
    X: Any, y: Any = None, *, seed: int, budget: Budget, task: ProblemType | None = None
) -> Steps:
    """Read a sample of a table and its response, and say how to compute each group of features.

    Counts of rows, columns and classes are of all rows; the moments of a number to regress on of
    at most a million, the others of at most 2,000 rows and 200 columns of each kind. Infinite
    numbers count as missing. Counts are raw, not their logarithms.

    Args:
        X: n rows by p columns, numeric or categorical, with missing cells or without: an array, a
            memory map, a torch tensor, a list of rows, a pandas data frame, a SciPy sparse matrix.
            Bools and dates are numeric; strings are categories, even those that spell numbers.
        y: The response: n values, or n rows of several outputs; None where there is none. Numbers
            are classes where all are whole, at most max(20, sqrt(n)) of them differ and some value
            repeats; others are regressed on.
        seed: Of the generators that draw the rows, the columns, the outputs and the folds.
        budget: The time that there is.
        task: "classification" or "regression", to override what y looks like.

    Raises:
        ValueError: If X is not two-dimensional or is empty, y has another length or three
            dimensions, or the task does not suit y.
    """
    rng, output_rng, tree_rng = (np.random.default_rng(s) for s in (seed, [seed, 1], [seed, 2]))
    table = read_table(X, rng)
    z, codes = stats.standardise(table.numbers), table.codes
    outputs = _split(y, table.nr_inst)
    drawn = stats.subsample(len(outputs), _MAX_OUTPUTS, output_rng)
    responses = [_renumber(summarise_response(outputs[j], table.rows, task)) for j in drawn]

    def over(describe: Callable[[Response], Mapping[str, float]]) -> dict[str, float]:
        return _average(describe, responses, budget)

    def inform() -> dict[str, float]:
        columns = information.discretise_columns(z, codes)
        return information.describe_columns(columns) | over(partial(_relate, columns))

    return {
        "simple": lambda: simple.count_table(table, len(outputs)) | over(simple.count_classes),
        "statistical": lambda: describe_numbers(table, z) | over(partial(_follow, z)),
        "info-theory": inform,
        "landmarking": lambda: over(lambda r: landmark(z, codes, r.values, rng, budget)),
        "model-based": lambda: over(lambda r: describe_tree(z, codes, r.values, tree_rng)),
    }


tabular_meta_features = Extractor("", TABULAR_GROUPS, prepare_table)


def _split(y: Any, nr_inst: int) -> list[Any]:
    outputs = [] if y is None else split_outputs(y)
    if outputs and len(outputs[0]) != nr_inst:
        raise ValueError(
            f"y must have a value for each of the {nr_inst} rows of X, got {len(outputs[0])}. "
            "Pass X and y of the same instances."
        )
    return outputs


def _renumber(response: Response) -> Response:
    """Return the response with the numbers of those classes alone that the sample has."""
    if is_numeric(response.values):
        return response
    present = response.values >= 0
    number = np.searchsorted(np.unique(response.values[present]), response.values)
    return response._replace(values=np.where(present, number, -1))


def _average(
    describe: Callable[[Response], Mapping[str, float]], responses: list[Response], budget: Budget
) -> dict[str, float]:
    """Return the mean of each feature over the responses that have it.

    Empty where the time does not last for all of several, as the mean of some would be another
    feature.
    """
    described = [describe(response) for response in responses if budget.allows()]
    if len(responses) > 1 and not budget.allows():
        return {}
    values: dict[str, list[float]] = {}
    for name, value in (pair for features in described for pair in features.items()):
        if not np.isnan(value):
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(known)) for name, known in values.items()}


def _follow(z: Array, response: Response) -> dict[str, float]:
    moments = {"target_skewness": response.skewness, "target_kurtosis": response.kurtosis}
    return separate(z, response.values) | moments


def _relate(columns: list[NDArray[np.int64]], response: Response) -> dict[str, float]:
    features = information.relate_columns(
        columns, information.discretise_response(response.values)
    )
    return describe_classes(response.counts) | features
