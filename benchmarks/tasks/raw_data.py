"""Public data sets of images, texts and interactions, read from their original files.

Below a folder of the user's:

* ``fashion_mnist``: Fashion-MNIST's files (github.com/zalandoresearch/fashion-mnist).
* ``nltk_text``: NLTK's data (github.com/nltk/nltk_data), of which sentence polarity,
  subjectivity, and pros and cons are read.
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


__all__ = ["RAW_DATA", "RawData"]

_IDX_HEADS = {"images": 16, "labels": 8}  # bytes
_CORPORA = Path("nltk_text/packages/corpora")
_MULTI30K = Path("multi30k/data/task1/raw")


class RawData(NamedTuple):
    """A data set in files."""

    kind: str  # of data: image, text, pair or interaction
    path: Path  # of a file of it, relative to the folder
    read: Callable[[Path], tuple[Any, Any]]  # that path, absolute, to the data and the labels


def _fashion_mnist(path: Path) -> tuple[Any, Any]:
    images, labels = (
        np.frombuffer(
            gzip.decompress((path.parent / f"train-{what}-idx{rank}-ubyte.gz").read_bytes()),
            dtype=np.uint8,
            offset=_IDX_HEADS[what],
        )
        for what, rank in (("images", 3), ("labels", 1))
    )
    return images.reshape(-1, 28, 28), labels


def _lines_by_class(members: Mapping[str, str]) -> Callable[[Path], tuple[Any, Any]]:
    """A reader of an archive whose files hold the documents of a class, one a line."""

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


def _sentence_pairs(source: str) -> Callable[[Path], tuple[Any, Any]]:
    """A reader of the pairs with this language's file beside that of the target."""

    def read(path: Path) -> tuple[Any, Any]:
        files = path.parent / f"train.{source}.gz", path
        sides = [gzip.decompress(file.read_bytes()).decode().splitlines() for file in files]
        return list(zip(*sides, strict=True)), None

    return read


def _ml100k(path: Path) -> tuple[Any, Any]:
    users, items, ratings, times = np.loadtxt(path, skiprows=1, unpack=True)
    return Interactions(users.astype(int), items.astype(int), ratings, times), None


RAW_DATA = {
    "Fashion-MNIST": RawData(
        "image", Path("fashion_mnist/train-images-idx3-ubyte.gz"), _fashion_mnist
    ),
    "sentence polarity": RawData(
        "text",
        _CORPORA / "sentence_polarity.zip",
        _lines_by_class(
            {name: f"sentence_polarity/rt-polarity.{name}" for name in ("neg", "pos")}
        ),
    ),
    "subjectivity": RawData(
        "text",
        _CORPORA / "subjectivity.zip",
        _lines_by_class({name: f"subjectivity/{name}.tok.gt9.5000" for name in ("plot", "quote")}),
    ),
    "pros and cons": RawData(
        "text",
        _CORPORA / "pros_cons.zip",
        _lines_by_class({name: f"pros_cons/Integrated{name}.txt" for name in ("Cons", "Pros")}),
    ),
    "Multi30k en-de": RawData("pair", _MULTI30K / "train.de.gz", _sentence_pairs("en")),
    "Multi30k en-cs": RawData("pair", _MULTI30K / "train.cs.gz", _sentence_pairs("en")),
    "MovieLens 100k": RawData("interaction", Path("ml100k/ml-100k.inter"), _ml100k),
}
