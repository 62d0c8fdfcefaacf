"""Tables of real runs, and functions in closed form."""

import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks.tasks.functions import function_families
from benchmarks.tasks.functions import hartmann
from benchmarks.tasks.functions import rosenbrock
from benchmarks.tasks.tables import Column
from benchmarks.tasks.tables import table_family
from benchmarks.tasks.tables import TABLE_SUITES


TABLES = Path(os.environ.get("OPTUNA_META_DATA", "missing")) / "tables"
SVM = [
    ["rbf", -5, 0.0, None, 0.3],
    ["rbf", 5, 2.0, None, 0.1],
    ["poly", 0, None, 3, 0.2],
    ["linear", 5, None, None, 0.4],
]


def ask(seed=0):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def write(folder, name, record):
    (folder / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(record).encode()))


@pytest.fixture
def svm(tmp_path):
    tasks = {name: {"meta_features": [1.0, 2.0], "rows": SVM} for name in "AB"}
    columns = ["kernel", "log2_C", "log10_gamma", "degree", "error"]
    write(tmp_path, "svm", {"columns": columns, "tasks": tasks})
    return table_family("svm", tmp_path)


def test_a_suggestion_has_the_value_of_the_nearest_row(svm):
    task = svm.load("A")
    near = {"kernel": "rbf", "log2_C": 3, "log10_gamma": 1.7}
    assert task.evaluate(near) == (0.1,)
    assert task.evaluate(near | {"log2_C": -4, "log10_gamma": 0.1}) == (0.3,)
    # Another kernel is farther than any number.
    assert task.evaluate({"kernel": "linear", "log2_C": -5}) == (0.4,)
    assert task.regret([(0.1,)]) == 0.0 and task.regret([(0.25,)]) == pytest.approx(1.0)


def test_a_parameter_is_asked_for_where_the_table_has_it(svm):
    asked = [svm.load("A").suggest(ask(seed)) for seed in range(20)]
    children = {p["kernel"]: p.keys() - {"kernel", "log2_C"} for p in asked}
    assert children == {"rbf": {"log10_gamma"}, "poly": {"degree"}, "linear": set()}
    assert svm.features("A") == {"feature_0": 1.0, "feature_1": 2.0}


def test_ranges_that_span_a_decade_count_in_logarithms():
    assert Column.of([1, 10, 3]) == (1.0, 10.0, True, ()) and Column.of([1, 10]).is_log
    assert not Column.of([1.0, 9.0]).is_log and not Column.of([0, 100]).is_log
    np.testing.assert_allclose(Column.of([1e-4, 1e-2]).cells([1e-4, 1e-3, None]), [0, 0.5, np.nan])
    assert Column.of([True, False]).choices == (False, True)


def test_click_through_priors_are_the_other_data_sets_of_the_model(tmp_path):
    rows = [{"params": {"rate": r, "units": "x"}, "auc": r, "logloss": 1} for r in range(1, 31)]
    few = [{"params": {"rate": r, "drop": 0}, "auc": r, "logloss": 1} for r in (1, 2)]
    same = [{"params": {"rate": 1}, "auc": r, "logloss": 1} for r in (1, 2)]
    write(tmp_path, "ctr", {"M": {"a": rows, "b": few, "c": same}, "N": {"a": rows}})
    family = table_family("ctr", tmp_path)
    assert family.targets == ("M:a", "N:a") and family.priors_of("M:a") == ("M:b",)
    task = family.load("M:a")
    assert task.suggest(ask()).keys() == {"rate"} and task.size == 30
    assert task.directions == ("maximize",) and task.evaluate({"rate": 7}) == (7.0,)


@pytest.mark.parametrize("suite", TABLE_SUITES)
def test_the_real_tables_are_read(suite):
    if not TABLES.is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains tables/")
    family = table_family(suite, TABLES)
    counts = {"svm": (50, 50), "convolution": (7, 7), "graphgym": (32, 32)}
    assert counts.get(suite, (37, 133)) == (len(family.targets), len(family.sources))
    task = family.load(family.targets[-1])
    values = [task.evaluate(task.suggest(ask(seed))) for seed in range(20)]
    assert len(set(values)) > 1 and 0.0 <= task.regret(values) < math.inf


def test_functions_are_0_at_their_best():
    assert rosenbrock(np.full(4, 6.0 / 15.0)) == pytest.approx(0.0, abs=1e-20)
    best = np.array([0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573])
    assert hartmann(best) == pytest.approx(0.0, abs=1e-6)
    for family in function_families():
        assert family.priors_of("0") == tuple("12345")
        for variant in "05":
            task = family.load(variant)
            values = [task.evaluate(task.suggest(ask(seed))) for seed in range(40)]
            assert min(values)[0] > 0.0 and 0.2 < task.regret([sorted(values)[20]]) < 3.0
