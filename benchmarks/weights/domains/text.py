"""Text: whether a sentence about a film is praise, after studies of four other kinds of text.

Those are reviews of films in full, short opinions on products, plots against opinions, and
questions; outputs mean the same in the first two. All are part of NLTK's data. Each task has the
words that are most frequent in its own texts, so rows go by word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from functools import cache
from functools import partial
from itertools import pairwise
from pathlib import Path
import re
from typing import NamedTuple
import zipfile

import numpy as np
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights import tasks


__all__ = ["FOLDER", "make", "split_words", "Vocabulary"]

FOLDER = "nltk_text/packages/corpora"

_LENGTH = 40  # Words of a text.
_WORDS = 3000
_WIDTH = 24
_PRIOR_TRAIN, _PRIOR_VALIDATION, _VALIDATION, _TEST = 5000, 200, 50, 500  # Of each class.
_DESCRIBED = 500  # Texts of each class that a prior task's meta-features are taken of.
_MARKS = "<padding>", "<unknown>"  # Rows 0 and 1 of each vocabulary.

Classes = tuple[list[list[str]], list[list[str]]]  # Texts of the first and the second class.


class _Corpus(NamedTuple):
    name: str
    archive: str
    files: str  # What their names contain.
    second: str  # Matches the file's name and the line of a text of the second class.
    dropped: str = r"</?\w+>"  # What of a line is no text.
    n_lines: int = 1  # Of a text.
    same_outputs: bool = False


_POLARITY = _Corpus("polarity", "sentence_polarity", "/rt-polarity.", r"[^:]*\.pos:")
_PRIORS = (
    _Corpus("reviews", "movie_reviews", ".txt", "[^:]*/pos/", "(?!)", 5, same_outputs=True),
    _Corpus("products", "pros_cons", "/Integrated", "[^:]*Pros", same_outputs=True),
    _Corpus("subjectivity", "subjectivity", ".tok.gt9.5000", "[^:]*quote"),
    # For a person, place or number, after those for a description or a thing.
    _Corpus("questions", "qc", "/train.txt", "[^:]*:(HUM|LOC|NUM):", r"^\S+"),
)


class Vocabulary:
    """What rows stand for: padding, an unknown word, and the most frequent ones."""

    def __init__(self, items: Iterable[Hashable]) -> None:
        self.items: tuple[Hashable, ...] = (*_MARKS, *items)
        self._rows = {item: row for row, item in enumerate(self.items)}

    @classmethod
    def of(
        cls, sentences: Iterable[Iterable[Hashable]], size: int, extra: Sequence[Hashable] = ()
    ) -> Vocabulary:
        """Make one of the ``size`` most frequent items of sentences, of equals the first met."""
        counts = Counter(item for sentence in sentences for item in sentence)
        frequent = [item for item, _ in counts.most_common(size + len(extra)) if item not in extra]
        return cls([*extra, *frequent[:size]])

    @classmethod
    def union(cls, several: Iterable[Vocabulary]) -> Vocabulary:
        """Make one of all items of several."""
        return cls(dict.fromkeys(item for one in several for item in one.items[2:]))

    def encode(self, sentences: Sequence[Sequence[Hashable]], length: int) -> Tensor:
        """Return rows of the items, cut or padded to one length: (n, length)."""
        rows = [[self._rows.get(item, 1) for item in sentence[:length]] for sentence in sentences]
        return torch.tensor([own + [0] * (length - len(own)) for own in rows], dtype=torch.int64)


def split_words(text: str) -> list[str]:
    """Return lower-case words and punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


class MeanOfWords(nn.Module):
    """Texts (n, length) to logits of two classes."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_words, _WIDTH)
        self.hidden = nn.Linear(_WIDTH, 32)
        self.head = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        there = (x != tasks.PADDING).float()[..., None]
        mean = (self.words(x) * there).sum(1) / there.sum(1).clamp_min(1.0)
        logits: Tensor = self.head(torch.relu(self.hidden(mean)))
        return logits


def make(folder: Path, shots: int, seed: int) -> tasks.Domain:
    """Make the new task of the polarity of sentences, after studies of other texts."""
    rng = np.random.default_rng([seed, 7])
    priors, pool = [], []
    for corpus in _PRIORS:
        drawn = _shuffled(_read(folder, corpus), rng)
        n = min(_PRIOR_TRAIN + _PRIOR_VALIDATION, *map(len, drawn))
        drawn = _cut(drawn, 0, n)
        parts = _cut(drawn, _PRIOR_VALIDATION, n), _cut(drawn, 0, _PRIOR_VALIDATION)
        words, described = _vocabulary(drawn), _cut(drawn, 0, _DESCRIBED)
        priors.append(_task(corpus.name, words, parts, described, corpus.same_outputs))
        pool.append((words, parts[0]))
    union = Vocabulary.union(words for words, _ in pool)
    own = _shuffled(_read(folder, _POLARITY), rng)
    words = _vocabulary(own)  # Texts without labels are there.
    bounds = np.cumsum([0, _TEST, _VALIDATION, shots])
    test, valid, train = (_cut(own, low, high) for low, high in pairwise(bounds))
    return tasks.Domain(
        tasks.CLASSES,
        _task("new", words, (train, valid), _cut(own, _TEST, bounds[-1])),
        _data(test, words),
        priors,
        _model(union, same_outputs=False),
        [_data(classes, union) for _, classes in pool],
        head=("head",),
    )


def _task(
    name: str,
    words: Vocabulary,
    parts: tuple[Classes, Classes],
    described: Classes,
    same_outputs: bool = True,
) -> tasks.Task:
    texts = [" ".join(one) for one in described[0] + described[1]]
    labels = [0] * len(described[0]) + [1] * len(described[1])
    train, valid = (_data(part, words) for part in parts)
    return tasks.Task(name, _model(words, same_outputs), train, valid, (texts, labels))


def _vocabulary(classes: Classes) -> Vocabulary:
    return Vocabulary.of(classes[0] + classes[1], _WORDS)


def _model(words: Vocabulary, same_outputs: bool) -> tasks.Model:
    network = partial(MeanOfWords, len(words.items))
    return tasks.Model(network, {"words.weight": words.items}, same_outputs)


def _data(classes: Classes, words: Vocabulary) -> tasks.Data:
    labels = torch.repeat_interleave(torch.arange(2), torch.tensor([*map(len, classes)]))
    return tasks.Data(words.encode(classes[0] + classes[1], _LENGTH), labels)


def _cut(classes: Classes, start: int, stop: int) -> Classes:
    return classes[0][start:stop], classes[1][start:stop]


def _shuffled(classes: Classes, rng: np.random.Generator) -> Classes:
    first, second = ([one[i] for i in rng.permutation(len(one))] for one in classes)
    return first, second


@cache
def _read(folder: Path, corpus: _Corpus) -> Classes:
    found: Classes = ([], [])
    with zipfile.ZipFile(folder / f"{corpus.archive}.zip") as archive:
        for name in sorted(name for name in archive.namelist() if corpus.files in name):
            lines = archive.read(name).decode("latin-1").splitlines()
            for start in range(0, len(lines), corpus.n_lines):
                text = " ".join(lines[start : start + corpus.n_lines])
                if words := split_words(re.sub(corpus.dropped, " ", text)):
                    found[bool(re.match(corpus.second, f"{name}:{text}"))].append(words)
    return found
