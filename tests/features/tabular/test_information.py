from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import mutual_info_score

from optuna_meta.features.stats import entropy
from optuna_meta.features.tabular.information import contingency
from optuna_meta.features.tabular.information import describe_columns
from optuna_meta.features.tabular.information import discretise
from optuna_meta.features.tabular.information import relate_columns


def draw(n: int = 300) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return [(y + rng.integers(0, 2, n)) % 4, rng.integers(0, 5, n), y * 0 + (y > 1)], y


def goodman_kruskal(x: np.ndarray, y: np.ndarray) -> float:
    """The reduction of Gini's impurity of x that y brings, by its definition."""

    def impurity(values: np.ndarray) -> float:
        return 1.0 - sum(np.mean(values == value) ** 2 for value in np.unique(values))

    within = sum(np.mean(y == value) * impurity(x[y == value]) for value in np.unique(y))
    return (impurity(x) - within) / impurity(x)


def test_measures_are_those_of_sklearn_and_scipy_in_bits() -> None:
    columns, y = draw()
    mutual = np.array([mutual_info_score(x, y) for x in columns]) / np.log(2)
    entropies = np.array([scipy.stats.entropy(np.bincount(x), base=2) for x in columns])
    class_ent = scipy.stats.entropy(np.bincount(y), base=2)
    tau = [goodman_kruskal(x, y) for x in columns]
    features = describe_columns(columns) | relate_columns(columns, y)
    expected = {
        "attr_ent.mean": entropies.mean(),
        "attr_ent.sd": entropies.std(ddof=1),
        "joint_ent.mean": (entropies + class_ent - mutual).mean(),
        "mut_inf.mean": mutual.mean(),
        "mut_inf.sd": mutual.std(ddof=1),
        "mut_inf.max": mutual.max(),
        "eq_num_attr": class_ent / mutual.mean(),
        "ns_ratio": (entropies.sum() - mutual.sum()) / mutual.sum(),
        "class_conc.mean": np.mean(tau),
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected)


def test_the_concentration_of_columns_is_over_ordered_pairs() -> None:
    columns, _ = draw()
    pairs = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]
    expected = np.mean([goodman_kruskal(columns[i], columns[j]) for i, j in pairs])
    assert describe_columns(columns)["attr_conc.mean"] == pytest.approx(expected)


def test_rows_without_both_do_not_count() -> None:
    columns, y = draw()
    expected = relate_columns(columns, y)
    padded = [np.append(x, [-1, 0]) for x in columns]
    actual = relate_columns(padded, np.append(y, [1, -1]))
    expected = {name: value for name, value in expected.items() if name != "eq_num_attr"}
    assert {name: actual[name] for name in expected} == pytest.approx(expected)


def test_a_column_that_is_the_class_tells_all_of_it_and_nothing_else() -> None:
    _, y = draw()
    features = relate_columns([y], y)
    assert features["mut_inf.mean"] == pytest.approx(entropy(np.bincount(y)))
    assert features["class_conc.mean"] == pytest.approx(1)
    assert features["eq_num_attr"] == pytest.approx(1)
    assert features["ns_ratio"] == pytest.approx(0, abs=1e-12)


def test_independent_columns_have_no_ratio_to_their_information() -> None:
    x, y = np.repeat([0, 1, 2], 4), np.tile([0, 1], 6)
    features = relate_columns([x], y)
    assert features["mut_inf.mean"] == 0
    assert np.isnan([features["eq_num_attr"], features["ns_ratio"]]).all()


def test_without_columns_or_response_there_is_nothing_to_tell() -> None:
    columns, y = draw()
    assert relate_columns([], y) == {}
    assert relate_columns(columns, np.full(300, -1)) == {}
    assert np.isnan(list(describe_columns([]).values())).all()


def test_bins_are_about_equally_frequent() -> None:
    bins = discretise(np.array([*range(12), np.nan])[:, None], 4)[:, 0]
    assert bins.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, -1]


def test_a_contingency_table_counts_pairs_that_are_present() -> None:
    x, y = np.array([0, 0, 2, -1, 1, 0]), np.array([1, 1, 0, 1, -1, 0])
    assert contingency(x, y).tolist() == [[1, 2], [0, 0], [1, 0]]
    assert contingency(x, np.full(6, -1)).shape == (0, 0)
