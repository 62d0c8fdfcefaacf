"""Public data sets of images, texts and interactions, read from their original files.

In a folder: ``fashion_mnist`` (github.com/zalandoresearch/fashion-mnist), ``nltk_text``
(github.com/nltk/nltk_data), ``multi30k`` (github.com/multi30k/dataset, task 1, raw), and
``ml100k`` (MovieLens 100k of grouplens.org, as RecBole's ``ml-100k.inter``).
"""

from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
import gzip
from pathlib import Path
from typing import Any
from typing import NamedTuple
import zipfile

import numpy as np

from optuna_meta.features import Interactions


CORPORA = Path("nltk_text/packages/corpora")
_MULTI30K = Path("multi30k/data/task1/raw")


class RawData(NamedTuple):
    kind: str  # of data: image, text, pair or interaction
    path: Path  # of a file of it, relative to the folder
    read_file: Callable[[Path], tuple[Any, Any]]  # to the data and the labels

    def read(self, folder: Path) -> tuple[Any, Any]:
        return self.read_file(folder / self.path)


def _fashion_mnist(path: Path) -> tuple[Any, Any]:
    labels = path.with_name("train-labels-idx1-ubyte.gz")
    data, classes = (
        np.frombuffer(gzip.decompress(f.read_bytes()), np.uint8) for f in (path, labels)
    )
    return data[16:].reshape(-1, 28, 28), classes[8:]  # after their heads


def _lines_by_class(path: Path, members: Mapping[str, str]) -> tuple[Any, Any]:
    """Read an archive whose files hold the documents of a class, one a line."""
    with zipfile.ZipFile(path) as archive:
        pairs = [
            (line, label)
            for label, member in members.items()
            for line in archive.read(member).decode("latin-1").splitlines()
        ]
    documents, labels = zip(*pairs, strict=True)
    return list(documents), list(labels)


def _from_english(path: Path) -> tuple[Any, Any]:
    files = path.with_name("train.en.gz"), path
    sides = [gzip.decompress(file.read_bytes()).decode().splitlines() for file in files]
    return list(zip(*sides, strict=True)), None


def _ml100k(path: Path) -> tuple[Any, Any]:
    users, items, ratings, times = np.loadtxt(path, skiprows=1, unpack=True)
    return Interactions(users.astype(int), items.astype(int), ratings, times), None


def _corpus(archive: str, members: Mapping[str, str]) -> RawData:
    return RawData("text", CORPORA / archive, partial(_lines_by_class, members=members))


_POLARITY = {label: f"sentence_polarity/rt-polarity.{label}" for label in ("neg", "pos")}
_SUBJECTIVITY = {label: f"subjectivity/{label}.tok.gt9.5000" for label in ("plot", "quote")}
_PROS_CONS = {label: f"pros_cons/Integrated{label}.txt" for label in ("Cons", "Pros")}
_IMAGES = Path("fashion_mnist/train-images-idx3-ubyte.gz")

RAW_DATA = {
    "Fashion-MNIST": RawData("image", _IMAGES, _fashion_mnist),
    "sentence polarity": _corpus("sentence_polarity.zip", _POLARITY),
    "subjectivity": _corpus("subjectivity.zip", _SUBJECTIVITY),
    "pros and cons": _corpus("pros_cons.zip", _PROS_CONS),
    "Multi30k en-de": RawData("pair", _MULTI30K / "train.de.gz", _from_english),
    "Multi30k en-cs": RawData("pair", _MULTI30K / "train.cs.gz", _from_english),
    "MovieLens 100k": RawData("interaction", Path("ml100k/ml-100k.inter"), _ml100k),
}
