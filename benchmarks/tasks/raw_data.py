"""Public data sets of images, texts and interactions, read from their original files.

Below a folder of the user's:

* ``fashion_mnist``: Fashion-MNIST's files (github.com/zalandoresearch/fashion-mnist).
* ``nltk_text``: NLTK's data (github.com/nltk/nltk_data), of which sentence polarity,
  subjectivity, and pros and cons are read, and for training movie reviews and TREC's questions.
* ``multi30k``: Multi30k (github.com/multi30k/dataset), task 1, raw.
* ``ml100k``: MovieLens 100k (grouplens.org) as RecBole's ``ml-100k.inter``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import gzip
from pathlib import Path
from typing import Any
from typing import NamedTuple
import zipfile

import numpy as np

from optuna_meta.features import Interactions


CORPORA = Path("nltk_text/packages/corpora")
_MULTI30K = Path("multi30k/data/task1/raw")

Read = Callable[[Path], tuple[Any, Any]]  # a file's path to the data and the labels


class RawData(NamedTuple):
    """A data set in files."""

    kind: str  # of data: image, text, pair or interaction
    path: Path  # of a file of it, relative to the folder
    read_file: Read

    def read(self, folder: Path) -> tuple[Any, Any]:
        """Read the data and the labels from the folder."""
        return self.read_file(folder / self.path)


def _fashion_mnist(path: Path) -> tuple[Any, Any]:
    labels = path.with_name("train-labels-idx1-ubyte.gz")
    files = ((path, 16), (labels, 8))  # with the bytes of their heads
    images, classes = (
        np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=head)
        for file, head in files
    )
    return images.reshape(-1, 28, 28), classes


def _lines_by_class(members: Mapping[str, str]) -> Read:
    """Return a reader of an archive whose files hold the documents of a class, one a line."""

    def read(path: Path) -> tuple[Any, Any]:
        documents: list[str] = []
        labels: list[str] = []
        with zipfile.ZipFile(path) as archive:
            for label, member in members.items():
                lines = archive.read(member).decode("latin-1").splitlines()
                documents += lines
                labels += [label] * len(lines)
        return documents, labels

    return read


def _sentence_pairs(source: str) -> Read:
    """Return a reader of the pairs with this language's file beside that of the target."""

    def read(path: Path) -> tuple[Any, Any]:
        files = path.parent / f"train.{source}.gz", path
        sides = [gzip.decompress(file.read_bytes()).decode().splitlines() for file in files]
        return list(zip(*sides, strict=True)), None

    return read


def _ml100k(path: Path) -> tuple[Any, Any]:
    users, items, ratings, times = np.loadtxt(path, skiprows=1, unpack=True)
    return Interactions(users.astype(int), items.astype(int), ratings, times), None


def _corpus(archive: str, members: Mapping[str, str]) -> RawData:
    return RawData("text", CORPORA / archive, _lines_by_class(members))


_POLARITY = {label: f"sentence_polarity/rt-polarity.{label}" for label in ("neg", "pos")}
_SUBJECTIVITY = {label: f"subjectivity/{label}.tok.gt9.5000" for label in ("plot", "quote")}
_PROS_CONS = {label: f"pros_cons/Integrated{label}.txt" for label in ("Cons", "Pros")}
_IMAGES = Path("fashion_mnist/train-images-idx3-ubyte.gz")

RAW_DATA = {
    "Fashion-MNIST": RawData("image", _IMAGES, _fashion_mnist),
    "sentence polarity": _corpus("sentence_polarity.zip", _POLARITY),
    "subjectivity": _corpus("subjectivity.zip", _SUBJECTIVITY),
    "pros and cons": _corpus("pros_cons.zip", _PROS_CONS),
    "Multi30k en-de": RawData("pair", _MULTI30K / "train.de.gz", _sentence_pairs("en")),
    "Multi30k en-cs": RawData("pair", _MULTI30K / "train.cs.gz", _sentence_pairs("en")),
    "MovieLens 100k": RawData("interaction", Path("ml100k/ml-100k.inter"), _ml100k),
}
