from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
import time
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_digits
from sklearn.datasets import load_iris

from optuna_meta.features import clean_meta_features
from optuna_meta.features import extract_meta_features


NAMES = list(extract_meta_features([[0.0], [1.0]], [0, 1]))
SINGLE_COLUMN = ["random_node", "worst_node", "elite_nn"]
LANDMARKERS = ["best_node", "one_nn", "naive_bayes", "linear_discr", "ridge", *SINGLE_COLUMN]
CLASS_ONLY = ["class_ent", "freq_class.max", "freq_class.min", "linear_discr", "naive_bayes"]
REGRESSION_ONLY = ["ridge", "target_kurtosis", "target_skewness"]


def make_frame(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal(n)
    numbers[::7] = np.nan
    cities = rng.choice(np.array(["Oslo", "Rome", "Lima", None], dtype=object), n)
    return pd.DataFrame(
        {
            "number": numbers,
            "count": rng.integers(0, 4, n),
            "flag": rng.random(n) < 0.3,
            "city": cities,
            "kind": pd.Categorical(rng.choice(["x", "y"], n)),
            "text": pd.Series(cities, dtype="string"),
            "nullable": pd.Series(rng.integers(0, 9, n), dtype="Int64").where(numbers > 0),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), "D"),
            "empty": [None] * n,
        }
    )


def assert_well_formed(features: dict[str, float]) -> None:
    assert list(features) == NAMES
    assert all(type(value) is float for value in features.values())
    clean_meta_features(features)  # Refuses an infinite value.


def test_iris() -> None:
    X, y = load_iris(return_X_y=True)
    features = extract_meta_features(X, y)
    assert_well_formed(features)
    s = X.std(axis=0, ddof=1)
    skews = ((X - X.mean(axis=0)) ** 3).mean(axis=0) / s**3
    correlations = np.abs(np.corrcoef(X.T)[np.triu_indices(4, 1)])
    expected = {
        "nr_inst": 150,
        "nr_attr": 4,
        "nr_num": 4,
        "nr_cat": 0,
        "nr_class": 3,
        "is_regression": 0,
        "attr_to_inst": 4 / 150,
        "class_ent": np.log2(3),
        "freq_class.min": 1 / 3,
        "freq_class.max": 1 / 3,
        "missing_ratio": 0,
        "zero_ratio": 0,
        # Four sepal widths lie out of their fences.
        "outlier_ratio": 4 / 600,
        "skewness.mean": skews.mean(),
        "skewness.sd": skews.std(ddof=1),
        "cor.mean": correlations.mean(),
        # Of the correlation matrix, as in every textbook.
        "pca_first_ratio": 0.7296,
        "pca_95_ratio": 2 / 4,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert all(np.isnan(features[name]) for name in REGRESSION_ONLY)
    assert features["one_nn"] > 0.9 > features["best_node"]


def test_diabetes() -> None:
    X, y = load_diabetes(return_X_y=True)
    features = extract_meta_features(X, y)
    assert_well_formed(features)
    assert features["is_regression"] == 1
    assert all(np.isnan(features[name]) for name in ["nr_class", *CLASS_ONLY])
    skew = scipy.stats.skew(y) * (441 / 442) ** 1.5
    assert features["target_skewness"] == pytest.approx(skew)
    assert 0.4 < features["ridge"] < 0.6


def test_ten_equal_classes_have_an_entropy_of_log2_10() -> None:
    y = np.arange(1000) % 10
    assert extract_meta_features(y[:, None], y)["class_ent"] == pytest.approx(np.log2(10))


def test_a_column_equal_to_the_class_tells_all_of_it() -> None:
    y = np.array(["a", "b", "c"] * 30)
    features = extract_meta_features(np.array([y, y[::-1]]).T, y)
    assert features["mut_inf.max"] == pytest.approx(features["class_ent"])


def test_a_mixed_frame() -> None:
    frame = make_frame(300)
    y = pd.Series(["no", "yes", "no"] * 100, dtype="category")
    features = extract_meta_features(frame, y)
    assert_well_formed(features)
    assert (features["nr_num"], features["nr_cat"]) == (6, 3)
    assert features["missing_ratio"] == pytest.approx(frame.isna().to_numpy().mean())
    assert features["freq_class.max"] == pytest.approx(2 / 3)
    assert not np.isnan([features[name] for name in LANDMARKERS[:4]]).any()


def test_one_data_set_in_several_types_has_one_description() -> None:
    X, y = load_digits(return_X_y=True)
    expected = extract_meta_features(X, y)
    variants: list[tuple[Any, Any]] = [
        (X.astype(np.float32), y.tolist()),
        (X.astype(object), y.astype(float)),
        (X.tolist(), y.astype(str)),
        (pd.DataFrame(X).astype("Int64"), pd.Series(y)),
        (scipy.sparse.csc_matrix(X), pd.Categorical(y)),
        (np.asfortranarray(X), y[:, None]),
    ]
    for other_X, other_y in variants:
        features = extract_meta_features(other_X, other_y)
        assert features == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_the_order_of_rows_matters_to_landmarkers_alone() -> None:
    frame = make_frame(300)
    y = np.random.default_rng(1).integers(0, 3, 300)
    order = np.random.default_rng(2).permutation(300)
    before = extract_meta_features(frame, y)
    after = extract_meta_features(frame.iloc[order], y[order])
    rest = [name for name in NAMES if name not in LANDMARKERS]
    expected = {name: before[name] for name in rest}
    actual = {name: after[name] for name in rest}
    assert actual == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e300])
def test_the_units_of_columns_and_response_do_not_matter(scale: float) -> None:
    X, y = load_diabetes(return_X_y=True)
    before = extract_meta_features(X, y, task="regression")
    after = extract_meta_features(X * scale, y * scale, task="regression")
    assert after == pytest.approx(before, rel=1e-6, nan_ok=True)


def make_edge_cases() -> dict[str, tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), np.arange(40) % 2
    holes = np.where(rng.random(X.shape) < 0.5, np.nan, X)
    infinite = np.where(rng.random(X.shape) < 0.2, -np.inf, X)
    return {
        "constant columns": (np.full((40, 3), 0.1), y),
        "one constant column": (np.column_stack([X, np.ones(40)]), y),
        "all missing": (np.full((40, 3), np.nan), y),
        "all None": ([[None, None]] * 40, y),
        "one missing column": (np.column_stack([X, np.full(40, np.nan)]), y),
        "half missing": (holes, y),
        "one class": (X, np.zeros(40, dtype=int)),
        "constant number": (X, np.full(40, 0.1)),
        "one row": (X[:1], y[:1]),
        "two rows": (X[:2], y[:2]),
        "three rows": (X[:3], y[:3]),
        "three numbers": (X[:3], X[:3, 0]),
        "one column": (X[:, :1], y),
        "one category": ([["a"]] * 40, y),
        "categories only": ([["a", "b"], ["c", "b"]] * 20, y),
        "a category per row": ([[f"id{i}"] for i in range(40)], y),
        "a class per row": (X, [f"id{i}" for i in range(40)]),
        "duplicated rows": (np.repeat(X[:2], 20, axis=0), y),
        "large integers": (rng.integers(-(2**63), 2**63 - 1, (40, 3)), y),
        "unbounded integers": ([[10**400, i] for i in range(40)], [10**30 * i for i in range(40)]),
        "huge": (X * 1e300, X[:, 0] * 1e300),
        "widest": (np.where(X > 0, 1.0, -1.0) * np.finfo(float).max, y),
        "tiny": (X * 1e-310, X[:, 0] * 1e-310),
        "infinite": (infinite, y),
        "infinite response": (X, infinite[:, 0]),
        "no response": (X, [None] * 40),
        "no number": (X, np.full(40, np.nan)),
        "hardly varying": (np.eye(40)[:, :2], y),
        "rare classes": (X, np.arange(40) // 2),
        "wide": (rng.standard_normal((10, 300)), y[:10]),
        "collinear": (np.column_stack([X, X, X]), y),
        "bools": (X > 0, y > 0),
        "mixed frame, three rows": (make_frame(3), [True, False, True]),
        "mixed frame": (make_frame(50), rng.standard_normal(50)),
        "sparse": (scipy.sparse.random(40, 30, random_state=0), y),
        "no response at all": (X, None),
        "two outputs": (X, X[:, :2]),
        "outputs of classes and numbers": (X, np.column_stack([y, X[:, 0]])),
        "missing outputs": (X, np.where(rng.random((40, 3)) < 0.5, np.nan, X)),
        "outputs of strings": (X, [["a", f"{i % 3}"] for i in range(40)]),
        "half precision": (X.astype(np.float16), X[:, 0].astype(np.float16)),
    }


@pytest.mark.parametrize("case", make_edge_cases())
def test_no_ordinary_data_set_is_too_odd(case: str) -> None:
    X, y = make_edge_cases()[case]
    assert_well_formed(extract_meta_features(X, y))


@pytest.mark.parametrize("case", make_edge_cases())
def test_either_task_suits_any_numeric_response(case: str) -> None:
    X, y = make_edge_cases()[case]
    assert_well_formed(extract_meta_features(X, y, task="classification"))
    if y is not None and not isinstance(np.ravel(y)[0], str):
        features = extract_meta_features(X, y, task="regression")
        assert_well_formed(features)
        assert features["is_regression"] == 1


def test_inputs_are_left_as_they_were() -> None:
    frame, y = make_frame(60), np.array([1.5, np.inf, np.nan] * 20)
    X = np.array([[np.inf, 1.0], [np.nan, 2.0], [3.0, 3.0]] * 20)
    copies = frame.copy(deep=True), y.copy(), X.copy()
    extract_meta_features(frame, y)
    extract_meta_features(X, y)
    pd.testing.assert_frame_equal(frame, copies[0])
    np.testing.assert_array_equal(y, copies[1])
    np.testing.assert_array_equal(X, copies[2])


SCRIPT = """
import json, sys
from optuna_meta.features import extract_meta_features
X, y = json.load(sys.stdin)
print(json.dumps(extract_meta_features(X, y, seed=3)))
"""


def test_another_process_with_another_hash_seed_finds_the_same() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((3000, 3)).tolist()
    X = [
        [*row, text]
        for row, text in zip(numbers, rng.choice(list("abc"), 3000).tolist(), strict=True)
    ]
    y = rng.choice(["no", "yes", "perhaps"], 3000).tolist()
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([X, y]),
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    expected = extract_meta_features(X, y, seed=3)
    assert json.loads(output) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_the_seed_draws_the_sample() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5000, 3)), rng.integers(0, 2, 5000)
    first, again = extract_meta_features(X, y), extract_meta_features(X, y)
    assert again == pytest.approx(first, rel=0, abs=0, nan_ok=True)
    other = extract_meta_features(X, y, seed=1)
    assert other["skewness.mean"] != first["skewness.mean"]
    assert other["class_ent"] == first["class_ent"]


def test_the_global_generator_is_left_alone() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    extract_meta_features(np.eye(40), np.arange(40) % 2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_x_and_y_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="each of the 3 rows of X, got 2"):
        extract_meta_features(np.zeros((3, 1)), [0, 1])


TARGET_FREE = {
    *("nr_inst", "nr_attr", "nr_num", "nr_cat", "nr_bin", "attr_to_inst", "nr_outputs"),
    *("missing_ratio", "inst_missing_ratio", "zero_ratio", "outlier_ratio"),
    *("skewness.mean", "skewness.sd", "kurtosis.mean", "kurtosis.sd"),
    *("iq_range.mean", "iq_range.sd", "mad.mean", "mad.sd", "sparsity.mean", "sparsity.sd"),
    *("cor.mean", "cor.sd", "nr_cor_attr", "pca_first_ratio", "pca_95_ratio"),
    *("attr_ent.mean", "attr_ent.sd", "attr_conc.mean"),
}


def test_without_a_response_the_columns_are_described() -> None:
    X, y = load_digits(return_X_y=True)
    with_response, without = extract_meta_features(X, y), extract_meta_features(X)
    assert {name for name in NAMES if not np.isnan(without[name])} == TARGET_FREE
    shared = TARGET_FREE - {"nr_outputs"}
    assert {n: without[n] for n in shared} == {n: with_response[n] for n in shared}
    assert (without["nr_outputs"], with_response["nr_outputs"]) == (0, 1)


def test_several_outputs_are_averaged() -> None:
    X, y = load_iris(return_X_y=True)
    number = X @ [1.0, 2.0, -1.0, 0.5]
    first, second = extract_meta_features(X, y), extract_meta_features(X, number)
    both = extract_meta_features(X, pd.DataFrame({"class": y, "number": number}))
    assert_well_formed(both)
    assert (both["nr_outputs"], both["is_regression"]) == (2, 0.5)
    for name in ("can_cor.mean", "mut_inf.max", "joint_ent.mean", "leaves"):
        assert both[name] == pytest.approx((first[name] + second[name]) / 2)
    # What one of them lacks is of the other alone.
    assert both["class_ent"] == first["class_ent"]
    assert both["target_skewness"] == second["target_skewness"]


def test_the_same_output_twice_is_that_output() -> None:
    X, y = load_iris(return_X_y=True)
    expected = extract_meta_features(X, y)
    twice = extract_meta_features(X, np.column_stack([y, y]))
    # The second one's folds are others.
    rest = [name for name in NAMES if name not in (*LANDMARKERS, "nr_outputs")]
    assert {n: twice[n] for n in rest} == pytest.approx(
        {n: expected[n] for n in rest}, nan_ok=True
    )


def test_of_many_outputs_some_are_drawn_by_the_seed() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), rng.integers(0, 2, (60, 40)) * np.arange(1, 41)
    y[:, 20:] = rng.integers(0, 5, (60, 20))
    features = extract_meta_features(X, scipy.sparse.csr_matrix(y))
    assert_well_formed(features)
    assert features["nr_outputs"] == 40
    assert features == pytest.approx(extract_meta_features(X, y), nan_ok=True)
    classes = {extract_meta_features(X, y, seed=seed)["nr_class"] for seed in range(8)}
    assert len(classes) > 1 and all(2 <= value <= 5 for value in classes)


def test_ten_million_rows_are_not_read(tmp_path: Path) -> None:
    # Each row is the window of a file of random numbers that starts at its number.
    n, rng = 10_000_000, np.random.default_rng(0)
    path = tmp_path / "numbers"
    path.write_bytes(np.resize(rng.standard_normal(99_991).astype(np.float32), n + 19).tobytes())
    numbers = np.memmap(path, dtype=np.float32, mode="r")
    X = np.lib.stride_tricks.sliding_window_view(numbers, 20)
    extract_meta_features(X[:100], np.arange(100) % 2)  # Imports.
    for y, name, value in (
        (np.broadcast_to(np.int8(3), n), "nr_class", 1),
        (numbers[:n], "is_regression", 1),
    ):
        tracemalloc.start()
        start = time.process_time()
        features = extract_meta_features(X, y)
        seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert_well_formed(features)
        assert (features["nr_inst"], features[name]) == (n, value)
        assert peak < 64 * 2**20
        # On an idle machine less than one.
        assert seconds < 20


def test_classes_that_the_sample_lacks_take_no_room() -> None:
    n = 300_000
    y = np.arange(n) % (n // 2)
    tracemalloc.start()
    features = extract_meta_features(
        np.arange(n, dtype=np.float32)[:, None], y, task="classification"
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert features["nr_class"] == n // 2
    assert peak < 64 * 2**20


def cpu_seconds(X: Any, y: Any) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        extract_meta_features(X, y)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("shape", [(40_000, 50), (200, 20_000)])
def test_large_data_cost_little_more_than_their_sample(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape, dtype=np.float32), rng.integers(0, 3, shape[0])
    sample = cpu_seconds(X[:2_000, :200], y[:2_000])
    assert cpu_seconds(X, y) < 4 * sample
