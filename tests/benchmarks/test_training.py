"""Grids of small models on small data sets, kept on disk as tasks."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.tasks.drawn import Drawn
from benchmarks.tasks.drawn import draws_of
from benchmarks.tasks.train import GRIDS
from benchmarks.tasks.train import read_runs
from benchmarks.tasks.train import train
from benchmarks.tasks.train import trained_family


RAW = Path(os.environ.get("OPTUNA_META_DATA", "missing")) / "raw"


def table(seed, n=24):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n // 2)
    raw = pd.DataFrame({"x0": rng.normal(size=n) + 2.0 * y, "x1": rng.normal(size=n)})
    return Drawn(raw.assign(x2=rng.choice(["a", "b"], size=n)), y)


def smaller(kind, **axes):
    return GRIDS[kind]._replace(axes=GRIDS[kind].axes | axes)


def test_a_family_is_what_lies_in_the_folder(tmp_path, monkeypatch):
    grid = smaller("svm", C=(0.1, 10.0), gamma=(0.01, 1.0))
    monkeypatch.setitem(GRIDS, "svm", grid)
    with pytest.raises(FileNotFoundError, match=r"benchmarks\.tasks train --kind svm --cache"):
        trained_family(tmp_path, "svm")
    for seed, name in enumerate(("iris", "wine", "breast_cancer")):
        kept, again = train(tmp_path, "svm", name, table(seed)), read_runs(tmp_path, "svm", name)
        np.testing.assert_array_equal(kept.values, again.values)
        assert kept.features == again.features
    family = trained_family(tmp_path, "svm")
    assert family.targets == ("breast_cancer", "iris", "wine")
    assert family.features("iris")["nr_inst"] == 24
    best = family.load("iris").regret([(read_runs(tmp_path, "svm", "iris").values.max(),)])
    assert best == 0.0


def test_values_are_those_of_scikit_learns_own_cross_validation():
    from sklearn.model_selection import cross_val_score
    from sklearn.model_selection import KFold
    from sklearn.svm import SVC

    rng, y = np.random.default_rng(0), np.arange(36) % 3
    images = rng.integers(0, 99, (36, 8, 8)) + 20 * y[:, None, None]
    scores = smaller("images", C=(1.0,), gamma=(0.1,)).train(Drawn(images, y))
    coarse = np.array([image.reshape(4, 2, 4, 2).mean(axis=(1, 3)).ravel() for image in images])
    folds = KFold(3, shuffle=True, random_state=0)
    expected = cross_val_score(SVC(C=1.0, gamma=0.1), coarse / coarse.max(), y, cv=folds).mean()
    assert scores.shape == (1, 1, 2, 2)
    assert scores[0, 0, 1, 0] == pytest.approx(expected)


def test_data_sets_are_drawn_by_class_occupation_and_genre():
    drawn = draws_of("svm", None)["breast_cancer"]()
    assert drawn.data.shape == (450, 30)
    assert np.bincount(drawn.y)[0] == pytest.approx(450 * 212 / 569, abs=1)
    if not RAW.is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains raw/")
    sizes = {kind: len(draws_of(kind, RAW)) for kind in ("images", "texts", "interactions")}
    assert sizes == {"images": 28, "texts": 25, "interactions": 38}
    assert len(draws_of("texts", RAW)["questions-60"]().data) == 60
    assert len(draws_of("interactions", RAW)["films-drama"]().data.users) == 6_000
