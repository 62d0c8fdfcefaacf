"""Our definitions against pymfe's, where they are the same; skipped where pymfe is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_iris
from sklearn.datasets import load_wine

from optuna_meta.features import clean_meta_features
from optuna_meta.features import extract_meta_features
from optuna_meta.features.pymfe import pymfe_meta_features


DATA = [load_iris, load_wine, load_breast_cancer]
SAME = {
    "general": (
        *("nr_inst", "nr_attr", "nr_num", "nr_cat", "nr_bin", "attr_to_inst"),
        *("nr_class", "freq_class.sd"),
    ),
    # Of standardised columns.
    "statistical": (
        *("skewness.mean", "skewness.sd", "kurtosis.mean", "kurtosis.sd"),
        *("iq_range.mean", "iq_range.sd", "mad.mean", "mad.sd"),
        *("cor.mean", "cor.sd", "nr_cor_attr", "sparsity.mean", "sparsity.sd", "gravity"),
    ),
    "info-theory": ("class_ent",),
    "model-based": (
        *("leaves", "nodes", "nodes_per_attr", "nodes_per_inst"),
        *("nodes_per_level.mean", "nodes_per_level.sd"),
        *("nodes_repeated.mean", "nodes_repeated.sd"),
        *("tree_depth.mean", "tree_depth.sd", "leaves_branch.mean", "leaves_branch.sd"),
        *("leaves_corrob.sd", "leaves_per_class.mean", "leaves_per_class.sd"),
        *("tree_shape.mean", "tree_imbalance.mean", "var_importance.mean", "var_importance.sd"),
    ),
}
COLUMNWISE = (
    *("attr_ent.mean", "attr_ent.sd", "joint_ent.mean", "mut_inf.mean", "mut_inf.sd"),
    *("eq_num_attr", "ns_ratio", "attr_conc.mean", "class_conc.mean", "class_ent"),
)


def standard(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(axis=0)) / X.std(axis=0)


def assert_same(X: Any, y: Any, group: str, names: tuple[str, ...], rel: float = 1e-6) -> None:
    theirs = pymfe_meta_features(X, y, groups=[group])
    ours = extract_meta_features(X, y)
    expected = {name: theirs[f"pymfe.{name}"] for name in names}
    assert {name: ours[name] for name in names} == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize("load", DATA)
@pytest.mark.parametrize("group", SAME)
def test_definitions_are_those_of_pymfe(load: Any, group: str) -> None:
    pytest.importorskip("pymfe")
    X, y = load(return_X_y=True)
    assert_same(standard(X), y, group, SAME[group])


def test_canonical_correlations_are_those_of_pymfe() -> None:
    pytest.importorskip("pymfe")
    X, y = load_iris(return_X_y=True)
    # pymfe finds them by iteration.
    assert_same(standard(X), y, "statistical", ("can_cor.mean", "w_lambda"), rel=1e-3)


def test_information_in_categories_is_that_of_pymfe() -> None:
    pytest.importorskip("pymfe")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    columns = [(y + rng.integers(0, k, 600)) % 5 for k in (1, 2, 4, 5)]
    frame = pd.DataFrame({f"c{j}": c.astype(str) for j, c in enumerate(columns)})
    # pymfe adds 1e-8 to each share, where the logarithm is steep.
    assert_same(frame, y.astype(str), "info-theory", COLUMNWISE, rel=1e-4)


def test_the_full_set_of_a_mixed_table() -> None:
    pytest.importorskip("pymfe")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((1_500, 4)))
    frame["city"] = rng.choice(np.array(["Oslo", "Rome", None], dtype=object), 1_500)
    frame.loc[::5, 0] = np.nan
    y = rng.choice(["no", "yes"], 1_500)
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    features = pymfe_meta_features(frame, y)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert len(features) > 150
    assert all(name.startswith("pymfe.") for name in features)
    assert clean_meta_features(features) == pytest.approx(features, nan_ok=True)
    again = pymfe_meta_features(frame, y)
    assert again == pytest.approx(features, rel=1e-9, nan_ok=True)
    joined = extract_meta_features(frame, y, extra=[pymfe_meta_features])
    assert joined.keys() == extract_meta_features(frame, y).keys() | features.keys()


@pytest.mark.parametrize("regression", [True, False])
def test_without_classes_comes_what_needs_none(regression: bool) -> None:
    pytest.importorskip("pymfe")
    X, y = load_diabetes(return_X_y=True)
    features = pymfe_meta_features(X, y if regression else None)
    assert "pymfe.skewness.mean" in features
    assert "pymfe.nr_class" not in features


def test_without_pymfe_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymfe.mfe", None)
    with pytest.raises(ImportError, match=r"pip install optuna-meta\[pymfe\]"):
        pymfe_meta_features(np.eye(10), np.arange(10) % 2)
