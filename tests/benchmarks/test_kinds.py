import zipfile

import numpy as np
import pytest

from benchmarks.features.payoff import Replicate
from benchmarks.features.payoff import report
from benchmarks.features.payoff import run_replicate
from benchmarks.features.payoff import Setting
from benchmarks.tasks import kind_models
from benchmarks.tasks.kind_models import GRIDS
from benchmarks.tasks.kind_runs import kind_family
from benchmarks.tasks.kind_runs import tabulate_kind
from benchmarks.tasks.kind_tasks import Drawn
from benchmarks.tasks.kind_tasks import READERS
from optuna_meta.features import Interactions


def ratings(seed, n=200, noise=0.1):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 12, n), rng.integers(0, 10, n)
    bias = rng.standard_normal(12)
    values = np.clip(3.0 + bias[users] + noise * rng.standard_normal(n), 1.0, 5.0)
    return Drawn(Interactions(users, items, values, np.arange(n)), None)


@pytest.fixture
def small_grids(monkeypatch):
    monkeypatch.setattr(kind_models, "_RANK", (1, 2))
    monkeypatch.setattr(kind_models, "_RIDGE", (0.1, 10.0))
    monkeypatch.setattr(kind_models, "_ROUNDS", (1, 3))
    levels = {"rank": 2, "ridge": 2, "rounds": 2}
    monkeypatch.setitem(GRIDS, "interactions", GRIDS["interactions"]._replace(levels=levels))


def test_a_family_is_what_lies_in_the_folder(tmp_path, small_grids):
    with pytest.raises(FileNotFoundError, match=r"benchmarks\.tasks\.kind_runs --data"):
        kind_family(tmp_path, "interactions")
    for seed in range(2):
        kept = tabulate_kind(tmp_path, "interactions", f"group-{seed}", ratings(seed))
    family = kind_family(tmp_path, "interactions")
    assert family.targets == ("group-0", "group-1")
    assert family.features("group-1") == kept.features
    assert family.features("group-1")["interaction.nr_inst"] == 200
    task = family.load("group-1")
    assert task.direction == "minimize" and task.best == kept.values.min()
    params = {"rank": 1, "ridge": 0, "rounds": 1, "ridge_by": "rating"}
    assert task.evaluate(params) == kept.values[1, 0, 1, 1]


def test_features_of_a_kind_are_put_to_use(tmp_path, small_grids):
    for seed in range(7):
        tabulate_kind(tmp_path, "interactions", f"group-{seed}", ratings(seed))
    setting = Setting(tmp_path, "interactions", trials=2, prior_trials=4)
    found = run_replicate(setting, Replicate("group-0", 0))
    assert all(len(line) == 2 and line[1] <= line[0] for line in found.values())
    shown = report({Replicate("group-0", 0): found}, {"group-0": 1.0}, "root mean squared error")
    assert "points (1/100) of root mean squared error" in shown


def test_images_are_scored_as_by_scikit_learn(monkeypatch):
    from sklearn.model_selection import cross_val_score
    from sklearn.model_selection import KFold
    from sklearn.svm import SVC

    monkeypatch.setattr(kind_models, "_C", (1.0,))
    monkeypatch.setattr(kind_models, "_GAMMA", (0.1,))
    rng = np.random.default_rng(0)
    y = np.arange(36) % 3
    images = rng.integers(0, 99, (36, 8, 8)) + 20 * y[:, None, None]
    scores = GRIDS["images"].train(Drawn(images, y))
    coarse = np.array([image.reshape(4, 2, 4, 2).mean(axis=(1, 3)).ravel() for image in images])
    folds = KFold(3, shuffle=True, random_state=0)
    expected = cross_val_score(SVC(C=1.0, gamma=0.1), coarse / coarse.max(), y, cv=folds).mean()
    assert scores.shape == (1, 1, 2, 2)
    assert scores[0, 0, 1, 0] == pytest.approx(expected)


def test_words_that_tell_the_label_are_found():
    documents = [f"word{i % 5} {'good' if i % 2 else 'bad'}" for i in range(60)]
    scores = GRIDS["texts"].train(Drawn(documents, ["+" if i % 2 else "-" for i in range(60)]))
    assert scores.shape == (7, 3, 2, 2, 2)
    assert scores.max() == 1.0 and scores.min() >= 0.0


@pytest.mark.parametrize("by_count", [False, True])
def test_factors_are_those_of_ridge_regressions(by_count):
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(1)
    known = rng.random((4, 9)) < 0.6
    values = np.where(known, rng.standard_normal((4, 9)), 0.0)
    V = rng.standard_normal((9, 3))
    solved = kind_models._solved(
        csr_matrix(known.astype(float)), csr_matrix(values), V, 0.5, by_count
    )
    for user in range(4):
        rated = known[user]
        alpha = 0.5 * (rated.sum() if by_count else 1)
        model = Ridge(alpha=alpha, fit_intercept=False).fit(V[rated], values[user, rated])
        np.testing.assert_allclose(solved[user], model.coef_)


def test_biases_of_users_are_learned():
    values = GRIDS["interactions"].train(ratings(0, n=600))
    held_out = np.random.default_rng(0).random(600) < 0.25
    spread = ratings(0, n=600).data.ratings[held_out].std()
    assert values.min() < 0.25 * spread


def test_interactions_are_drawn_by_occupation_and_genre(tmp_path):
    folder = tmp_path / "ml100k"
    folder.mkdir()
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    lines = [
        f"{user}\t{item}\t{1 + (user + item) % 5}\t{item}\n"
        for user in (1, 2, 3)
        for item in range(400)
    ]
    (folder / "ml-100k.inter").write_text(head + "".join(lines))
    (folder / "ml-100k.user").write_text(
        "head\n1\t20\tM\tcook\t0\n2\t30\tF\tcook\t0\n3\t9\tM\tpilot\t0\n"
    )
    films = "".join(
        f"{item}\tname\t1990\t{'Drama War' if item < 300 else 'War'}\n" for item in range(400)
    )
    (folder / "ml-100k.item").write_text("head\n" + films)
    drawn = READERS["interactions"](tmp_path)
    # Of the pilot's 400 ratings are too few.
    assert {name: len(d.data.users) for name, d in drawn.items()} == {
        "users-cook": 800,
        "films-drama": 900,
        "films-war": 1200,
    }
    assert set(drawn["users-cook"].data.users.tolist()) == {1, 2}
    assert drawn["films-drama"].data.items.max() == 299


def test_questions_and_reviews_are_read(tmp_path):
    from benchmarks.tasks.kind_tasks import _questions
    from benchmarks.tasks.kind_tasks import _reviews

    with zipfile.ZipFile(tmp_path / "qc.zip", "w") as archive:
        archive.writestr("qc/train.txt", "NUM:count How many ?\nHUM:ind Who is it ?\n")
    with zipfile.ZipFile(tmp_path / "movie_reviews.zip", "w") as archive:
        archive.writestr("movie_reviews/pos/b.txt", "fine")
        archive.writestr("movie_reviews/neg/a.txt", "dull")
        archive.writestr("movie_reviews/README", "no review")
    assert _questions(tmp_path) == (["How many ?", "Who is it ?"], ["NUM", "HUM"])
    assert _reviews(tmp_path) == (["dull", "fine"], ["neg", "pos"])


def test_texts_do_not_name_their_label(tmp_path):
    folder = tmp_path / "nltk_text" / "packages" / "corpora"
    folder.mkdir(parents=True)
    files = {
        "sentence_polarity": ("rt-polarity.neg", "rt-polarity.pos"),
        "subjectivity": ("plot.tok.gt9.5000", "quote.tok.gt9.5000"),
        "pros_cons": ("IntegratedCons.txt", "IntegratedPros.txt"),
        "qc": ("train.txt",),
        "movie_reviews": ("neg/a.txt", "pos/b.txt"),
    }
    for corpus, names in files.items():
        with zipfile.ZipFile(folder / f"{corpus}.zip", "w") as archive:
            for name in names:
                archive.writestr(f"{corpus}/{name}", f"LABEL:x text of {name}\n" * 5)
    with zipfile.ZipFile(folder / "pros_cons.zip", "w") as archive:
        archive.writestr("pros_cons/IntegratedCons.txt", "<Cons>slow</Cons>\n" * 5)
        archive.writestr("pros_cons/IntegratedPros.txt", "<Pros>fast</Pros>\n" * 5)
    drawn = READERS["texts"](tmp_path)
    assert len(drawn) == 25
    found = drawn["pros-and-cons-60"]
    expected = [("fast", "Pros")] * 5 + [("slow", "Cons")] * 5
    assert sorted(zip(found.data, found.y, strict=True)) == expected
