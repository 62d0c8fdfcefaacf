"""Grids of small models on small data sets, kept on disk as tasks."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.tasks.drawn import Drawn
from benchmarks.tasks.drawn import draws_of
from benchmarks.tasks.grids import GRIDS
from benchmarks.tasks.train import read_runs
from benchmarks.tasks.train import train
from benchmarks.tasks.train import trained_family


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


def test_words_that_tell_the_label_are_found():
    documents = [f"word{i % 5} {'good' if i % 2 else 'bad'}" for i in range(60)]
    scores = smaller("texts", strength=(1.0, 100.0)).train(Drawn(documents, ["+", "-"] * 30))
    assert scores.shape == (2, 3, 2, 2, 2) and scores.max() == 1.0


def test_data_sets_are_drawn_by_class_occupation_and_genre(tmp_path):
    drawn = draws_of("svm", None)["breast_cancer"]()
    assert drawn.data.shape == (450, 30)
    assert np.bincount(drawn.y)[0] == pytest.approx(450 * 212 / 569, abs=1)
    (tmp_path / "ml100k").mkdir()
    pairs = [(user, item) for user in (1, 2, 3) for item in range(400)]
    lines = [f"{user}\t{item}\t{1 + (user + item) % 5}\t{item}" for user, item in pairs]
    films = [f"{item}\tname\t1990\t{'Drama War' if item < 300 else 'War'}" for item in range(400)]
    users = ["1\t20\tM\tcook\t0", "2\t30\tF\tcook\t0", "3\t9\tM\tpilot\t0"]
    for suffix, head, rows in (
        ("inter", "u\ti\tr\tt", lines),
        ("user", "u\ta\tg\to\tz", users),
        ("item", "i\tt\ty\tc", films),
    ):
        (tmp_path / f"ml100k/ml-100k.{suffix}").write_text("\n".join([head, *rows, ""]))
    draws = draws_of("interactions", tmp_path)
    sizes = {name: len(draw().data.users) for name, draw in draws.items()}
    assert sizes == {"users-cook": 800, "films-drama": 900, "films-war": 1200}
