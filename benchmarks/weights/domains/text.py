"""Text: whether a sentence about a film is praise, after studies of four other kinds of text.

Those are reviews of films in full, short opinions on products, plots against opinions, and
questions; outputs mean the same in the first two. Each task has words of its own: rows go by word.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from functools import partial
from itertools import chain
from itertools import pairwise
from pathlib import Path
import re
from typing import Any
from typing import NamedTuple
import zipfile

import numpy as np
import torch
from torch import nn

from benchmarks.weights import tasks


FOLDER = "nltk_text/packages/corpora"

_LENGTH = 40  # Words of a text.
_WORDS = 3000
_WIDTH = 24
_PRIOR_TRAIN, _PRIOR_VALIDATION, _VALIDATION, _TEST = 5000, 200, 50, 500  # Of each class.
_DESCRIBED = 500  # Texts of each class that a prior task's meta-features are taken of.

Words = tuple[Any, ...]  # What rows stand for: padding, an unknown word, the most frequent ones.
Classes = list[list[list[str]]]  # Texts of the first and the second class.


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


def vocabulary(sentences: Sequence[Sequence[Any]], size: int, extra: Sequence[Any] = ()) -> Words:
    """Return the extra words and ``size`` of the most frequent, of equals the first met."""
    counts = Counter(chain.from_iterable(sentences)).most_common(size + len(extra))
    frequent = [item for item, _ in counts if item not in extra]
    return "<padding>", "<unknown>", *extra, *frequent[:size]


def union(several: Sequence[Words]) -> Words:
    """Return all of several vocabularies, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(several)))


def encode(sentences: Sequence[Sequence[Any]], words: Words, length: int) -> torch.Tensor:
    """Return rows of the words, cut or padded to one length: (n, length)."""
    row = {word: i for i, word in enumerate(words)}
    rows = [[row.get(word, 1) for word in sentence[:length]] for sentence in sentences]
    return torch.tensor([own + [tasks.PADDING] * (length - len(own)) for own in rows])


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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        there = (x != tasks.PADDING).float()[..., None]
        mean = (self.words(x) * there).sum(1) / there.sum(1).clamp_min(1.0)
        logits: torch.Tensor = self.head(torch.relu(self.hidden(mean)))
        return logits


def make(folder: Path, shots: int, seed: int) -> tasks.Domain:
    """Make the new task of the polarity of sentences, after studies of other texts."""
    rng = np.random.default_rng([seed, 7])
    priors, pool = [], []
    for corpus in _PRIORS:
        drawn = _shuffled(_read(folder, corpus), rng)
        n = min(_PRIOR_TRAIN + _PRIOR_VALIDATION, *map(len, drawn))
        bounds = (_PRIOR_VALIDATION, n), (0, _PRIOR_VALIDATION), (0, _DESCRIBED), (0, n)
        train, valid, described, known = (_cut(drawn, *part) for part in bounds)
        words = vocabulary(sum(known, []), _WORDS)
        priors.append(_task(corpus.name, words, train, valid, described, corpus.same_outputs))
        pool.append((words, train))
    everything = union([words for words, _ in pool])
    own = _shuffled(_read(folder, _POLARITY), rng)
    words = vocabulary(sum(own, []), _WORDS)  # Texts without labels are there.
    ends = np.cumsum([0, _TEST, _VALIDATION, shots])
    test, valid, train = (_cut(own, *part) for part in pairwise(ends))
    return tasks.Domain(
        tasks.CLASSES,
        _task("new", words, train, valid, _cut(own, _TEST, ends[-1])),
        _data(test, words),
        priors,
        _model(everything, same_outputs=False),
        [_data(classes, everything) for _, classes in pool],
        head=("head",),
    )


def _task(
    name: str, words: Words, train: Classes, valid: Classes, described: Classes, same: bool = True
) -> tasks.Task:
    texts = [" ".join(text) for text in sum(described, [])]
    labels = np.repeat([0, 1], [*map(len, described)]).tolist()
    parts = _data(train, words), _data(valid, words)
    return tasks.Task(name, _model(words, same), *parts, (texts, labels))


def _model(words: Words, same_outputs: bool) -> tasks.Model:
    return tasks.Model(partial(MeanOfWords, len(words)), {"words.weight": words}, same_outputs)


def _data(classes: Classes, words: Words) -> tasks.Data:
    labels = torch.from_numpy(np.repeat([0, 1], [*map(len, classes)]))
    return tasks.Data(encode(sum(classes, []), words, _LENGTH), labels)


def _cut(classes: Classes, start: int, stop: int) -> Classes:
    return [one[start:stop] for one in classes]


def _shuffled(classes: Classes, rng: np.random.Generator) -> Classes:
    return [[one[i] for i in rng.permutation(len(one))] for one in classes]


@cache
def _read(folder: Path, corpus: _Corpus) -> Classes:
    found: Classes = [[], []]
    with zipfile.ZipFile(folder / f"{corpus.archive}.zip") as archive:
        for name in sorted(name for name in archive.namelist() if corpus.files in name):
            lines = archive.read(name).decode("latin-1").splitlines()
            for start in range(0, len(lines), corpus.n_lines):
                text = " ".join(lines[start : start + corpus.n_lines])
                if words := split_words(re.sub(corpus.dropped, " ", text)):
                    found[bool(re.match(corpus.second, f"{name}:{text}"))].append(words)
    return found
