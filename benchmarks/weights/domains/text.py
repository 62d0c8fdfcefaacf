"""Text: whether a sentence about a film is praise, after studies of four other kinds of text.

Those are reviews of films in full, short opinions on products, plots against opinions, and
questions; outputs mean the same in the first two. All are part of NLTK's data. Each task has the
words that are most frequent in its own texts, so rows go by word.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from functools import partial
from pathlib import Path
import re
import zipfile

import numpy as np
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.domain import CLASSES
from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Pool
from benchmarks.weights.domain import Prior
from benchmarks.weights.fit import initial
from benchmarks.weights.words import split_words
from benchmarks.weights.words import Vocabulary


__all__ = ["CORPORA", "text"]

CORPORA = "nltk_text/packages/corpora"

_LENGTH = 40  # Words of a text.
_WORDS = 3000
_WIDTH = 24
_HEAD = ("head",)
_PRIOR_TRAIN, _PRIOR_VALIDATION, _VALIDATION, _TEST = 5000, 200, 50, 500  # Of each class.
_CHECKS = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150)
_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
_PARAGRAPH = 5  # Lines of a review that are read as one text.

Classes = tuple[list[list[str]], list[list[str]]]  # Texts of the first and the second class.


class MeanOfWords(nn.Module):
    """Texts (n, length) to logits of two classes."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_words, _WIDTH)
        self.hidden = nn.Linear(_WIDTH, 32)
        self.head = nn.Linear(32, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        there = (inputs != 0).float()[..., None]
        mean = (self.words(inputs) * there).sum(1) / there.sum(1).clamp_min(1.0)
        logits: Tensor = self.head(torch.relu(self.hidden(mean)))
        return logits


def text(folder: Path, shots: int, seed: int) -> Domain:
    """Polarity of sentences.

    Args:
        folder: Where the archives are.
        shots: Sentences of each class to train on in the new task.
        seed: Of the texts.
    """
    rng = np.random.default_rng([seed, 7])
    drawn = {name: _drawn(read(folder), rng) for name, (read, _) in _SOURCES.items()}
    words = {name: Vocabulary.of(c[0] + c[1], _WORDS) for name, c in drawn.items()}
    priors = [
        _prior(name, classes, words[name], _SOURCES[name][1]) for name, classes in drawn.items()
    ]
    union = Vocabulary.union(words.values())
    pooled = [_examples(classes, union, _PRIOR_VALIDATION, None) for classes in drawn.values()]
    own = _shuffled(_polarity(folder), rng)
    ours = Vocabulary.of(own[0] + own[1], _WORDS)  # Texts without labels are there.
    bounds = np.cumsum([0, _TEST, _VALIDATION, shots])
    test, valid, train = (
        _examples(own, ours, low, high) for low, high in zip(bounds[:-1], bounds[1:], strict=True)
    )
    known = tuple(of_class[bounds[1] : bounds[3]] for of_class in own)
    return Domain(
        CLASSES,
        _build(ours),
        priors,
        Pool(_build(union), pooled, same_outputs=False, rows=_items(union)),
        train,
        valid,
        test,
        _CHECKS,
        _RATES,
        _HEAD,
        rows=_items(ours),
        described=_described(known[0], known[1]),
        prior_steps=400,
        rounds=400,
    )


def _build(words: Vocabulary) -> partial[nn.Module]:
    return partial(initial, partial(MeanOfWords, len(words)))


def _items(words: Vocabulary) -> dict[str, tuple[object, ...]]:
    return {"words.weight": words.items}


def _prior(name: str, classes: Classes, words: Vocabulary, same_outputs: bool) -> Prior:
    return Prior(
        name,
        _build(words),
        _examples(classes, words, _PRIOR_VALIDATION, None),
        _examples(classes, words, 0, _PRIOR_VALIDATION),
        same_outputs,
        _items(words),
        _described(classes[0][:500], classes[1][:500]),
    )


def _examples(classes: Classes, words: Vocabulary, start: int, stop: int | None) -> Data:
    parts = [words.encode(of_class[start:stop], _LENGTH) for of_class in classes]
    labels = torch.repeat_interleave(torch.arange(2), torch.tensor([len(p) for p in parts]))
    return Data(torch.cat(parts), labels)


def _described(first: list[list[str]], second: list[list[str]]) -> tuple[list[str], list[int]]:
    texts = [" ".join(words) for words in first + second]
    return texts, [0] * len(first) + [1] * len(second)


def _drawn(classes: Classes, rng: np.random.Generator) -> Classes:
    first, second = _shuffled(classes, rng)
    n = min(_PRIOR_TRAIN + _PRIOR_VALIDATION, len(first), len(second))
    return first[:n], second[:n]


def _shuffled(classes: Classes, rng: np.random.Generator) -> Classes:
    first, second = ([one[i] for i in rng.permutation(len(one))] for one in classes)
    return first, second


@cache
def _polarity(folder: Path) -> Classes:
    return _two_files(folder / "sentence_polarity.zip", "rt-polarity.neg", "rt-polarity.pos")


@cache
def _subjectivity(folder: Path) -> Classes:
    names = "plot.tok.gt9.5000", "quote.tok.gt9.5000"
    return _two_files(folder / "subjectivity.zip", *names)


@cache
def _products(folder: Path) -> Classes:
    return _two_files(folder / "pros_cons.zip", "IntegratedCons.txt", "IntegratedPros.txt")


def _two_files(path: Path, first: str, second: str) -> Classes:
    """Lines of two files of an archive, without marks such as ``<Pros>``."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in (first, second):
            lines = archive.read(f"{path.stem}/{name}").decode("latin-1").splitlines()
            words = [split_words(re.sub(r"</?\w+>", " ", line)) for line in lines]
            found.append([line for line in words if line])
    return found[0], found[1]


@cache
def _reviews(folder: Path) -> Classes:
    """A few lines of a review at a time."""
    found: list[list[list[str]]] = [[], []]
    with zipfile.ZipFile(folder / "movie_reviews.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".txt") and ("/neg/" in name or "/pos/" in name):
                lines = archive.read(name).decode("latin-1").splitlines()
                for start in range(0, len(lines), _PARAGRAPH):
                    words = split_words(" ".join(lines[start : start + _PARAGRAPH]))
                    found["/pos/" in name].append(words)
    return found[0], found[1]


@cache
def _questions(folder: Path) -> Classes:
    """Questions for a description or a thing, and those for a person, place or number."""
    found: list[list[list[str]]] = [[], []]
    with zipfile.ZipFile(folder / "qc.zip") as archive:
        for line in archive.read("qc/train.txt").decode("latin-1").splitlines():
            kind, _, question = line.partition(" ")
            found[kind.partition(":")[0] in ("HUM", "LOC", "NUM")].append(split_words(question))
    return found[0], found[1]


_SOURCES: dict[str, tuple[Callable[[Path], Classes], bool]] = {
    "reviews": (_reviews, True),
    "products": (_products, True),
    "subjectivity": (_subjectivity, False),
    "questions": (_questions, False),
}
