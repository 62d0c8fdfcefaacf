"""Small labelled data sets of images, texts and interactions, drawn from public ones.

Files are those of :mod:`.raw_data`, and in ``nltk_text`` movie reviews and TREC's questions; the
small digits come with scikit-learn. A data set is drawn anew from its source by its own name, so
that it is always the same:

* images: 20 of Fashion-MNIST and 8 of the digits, of 2 to 10 classes and 60 to 480 images;
* texts: 5 of each of 5 corpora, of 60 to 960 documents;
* interactions: MovieLens' ratings by the users of an occupation, and those of a genre's films, at
  most 6,000 of each.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from pathlib import Path
import re
from typing import Any
from typing import NamedTuple
import zipfile

import numpy as np
from numpy.typing import NDArray

from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.raw_data import RAW_DATA
from optuna_meta.features import Interactions


__all__ = ["READERS", "Drawn"]

_CLASSES, _IMAGES = (2, 2, 3, 5, 10), (60, 120, 240, 480)
_DIGIT_CLASSES, _DIGITS = (2, 5), (60, 120, 240, 480)
_DOCUMENTS = (60, 120, 240, 480, 960)
_CORPORA = Path("nltk_text/packages/corpora")
_TAG = re.compile("</?(Pros|Cons)>")
_LEAST_RATINGS, _MOST_RATINGS = 500, 6_000


class Drawn(NamedTuple):
    """A data set as ``extract_meta_features`` takes it."""

    data: Any
    y: Any  # None for interactions


def _images(folder: Path) -> Mapping[str, Drawn]:
    from sklearn.datasets import load_digits

    fashion = RAW_DATA["Fashion-MNIST"]
    digits = load_digits()
    sources = (
        ("fashion", *fashion.read(folder / fashion.path), _CLASSES, _IMAGES),
        ("digits", digits.images, digits.target, _DIGIT_CLASSES, _DIGITS),
    )
    drawn = {}
    for source, images, labels, classes, sizes in sources:
        for k, n_classes in enumerate(classes):
            for size in sizes:
                name = f"{source}-{k}-{n_classes}-{size}"
                drawn[name] = _some_classes(name, images, labels, n_classes, size)
    return drawn


def _some_classes(name: str, images: Any, labels: Any, n_classes: int, size: int) -> Drawn:
    rng = np.random.default_rng(stable_seed("images", name))
    chosen = rng.choice(np.unique(labels), n_classes, replace=False)
    rows = rng.permutation(np.flatnonzero(np.isin(labels, chosen)))[:size]
    return Drawn(images[rows], labels[rows])


def _texts(folder: Path) -> Mapping[str, Drawn]:
    readers: dict[str, Callable[[], tuple[Sequence[str], Sequence[str]]]] = {
        name: functools.partial(raw.read, folder / raw.path)
        for name, raw in RAW_DATA.items()
        if raw.kind == "text"
    }
    readers["movie reviews"] = functools.partial(_reviews, folder / _CORPORA)
    readers["questions"] = functools.partial(_questions, folder / _CORPORA)
    drawn = {}
    for corpus, read in readers.items():
        documents, labels = read()
        for size in _DOCUMENTS:
            name = f"{corpus.replace(' ', '-')}-{size}"
            rng = np.random.default_rng(stable_seed("texts", name))
            rows = rng.permutation(len(documents))[:size]
            # Pros and cons stand between tags that name them.
            texts = [_TAG.sub("", documents[i]) for i in rows]
            drawn[name] = Drawn(texts, [labels[i] for i in rows])
    return drawn


def _reviews(folder: Path) -> tuple[list[str], list[str]]:
    with zipfile.ZipFile(folder / "movie_reviews.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
        documents = [archive.read(name).decode("latin-1") for name in names]
    return documents, [Path(name).parent.name for name in names]


def _questions(folder: Path) -> tuple[list[str], list[str]]:
    """TREC's questions, by the coarse one of their two labels."""
    with zipfile.ZipFile(folder / "qc.zip") as archive:
        lines = archive.read("qc/train.txt").decode("latin-1").splitlines()
    pairs = [line.split(" ", 1) for line in lines]
    return [question for _, question in pairs], [label.split(":")[0] for label, _ in pairs]


def _interactions(folder: Path) -> Mapping[str, Drawn]:
    path = folder / RAW_DATA["MovieLens 100k"].path
    ratings, _ = RAW_DATA["MovieLens 100k"].read(path)
    users = _groups(path.with_suffix(".user"), column=3)
    films = _groups(path.with_suffix(".item"), column=3)
    drawn = {}
    for kind, groups, ids in (
        ("users", users, ratings.users),
        ("films", films, ratings.items),
    ):
        for group, members in groups.items():
            rows = np.flatnonzero(np.isin(ids, members))
            if len(rows) >= _LEAST_RATINGS:
                name = f"{kind}-{group}".lower().replace("'", "")
                drawn[name] = Drawn(_some_ratings(name, ratings, rows), None)
    return drawn


def _groups(path: Path, column: int) -> dict[str, NDArray[np.int64]]:
    """Ids by each of the words in a column of a table with a head."""
    found: dict[str, list[int]] = {}
    for line in path.read_text(encoding="latin-1").splitlines()[1:]:
        cells = line.split("\t")
        for word in cells[column].split():
            found.setdefault(word, []).append(int(cells[0]))
    return {word: np.array(ids) for word, ids in sorted(found.items())}


def _some_ratings(name: str, ratings: Any, rows: NDArray[np.int64]) -> Interactions:
    rng = np.random.default_rng(stable_seed("interactions", name))
    kept = np.sort(rng.permutation(rows)[:_MOST_RATINGS])
    return Interactions(
        ratings.users[kept], ratings.items[kept], ratings.ratings[kept], ratings.times[kept]
    )


READERS: Mapping[str, Callable[[Path], Mapping[str, Drawn]]] = {
    "images": _images,
    "texts": _texts,
    "interactions": _interactions,
}
