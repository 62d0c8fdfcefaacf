"""Translation of captions (Multi30k): a pair of languages after studies of other pairs.

The model is a small convolutional translator with attention, after Gehring et al. (2017),
"Convolutional sequence to sequence learning". Each task has the words that are most frequent in
its own sentences, so rows of tables go by language and word. Sentences are different in all tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from functools import partial
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Pool
from benchmarks.weights.domain import Prior
from benchmarks.weights.domain import Rows
from benchmarks.weights.domain import TOKENS
from benchmarks.weights.fit import initial
from benchmarks.weights.words import split_words
from benchmarks.weights.words import Vocabulary


__all__ = ["MULTI30K", "translation"]

MULTI30K = "multi30k/data/task1/raw"

_LANGUAGES = ("en", "de", "fr", "cs")
_LENGTH = 10  # Words of a sentence.
_WORDS = 150  # Of a language, in a task.
_WIDTH = 32
_PRIOR_TRAIN, _VALIDATION, _TEST = 2000, 100, 200
_CHECKS = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150)
_RATES = (1e-3, 3e-3, 1e-2, 3e-2)

Sentence = list[tuple[str, str]]  # Language and word.


class _Pairs(NamedTuple):
    """Sentences of a task in both languages; their words are (language, word)."""

    source: list[Sentence]
    target: list[Sentence]  # With the mark of its beginning and that of its end.


class _Words(NamedTuple):
    source: Vocabulary
    target: Vocabulary


def translation(folder: Path, pairs: int, seed: int) -> Domain:
    """A pair of languages after five studies: two share its source language, two its target.

    Args:
        folder: Where the files are.
        pairs: Of sentences to train on in the new task.
        seed: Of the languages and the sentences.
    """
    rng = np.random.default_rng([seed, 5])
    a, b, c, d = (_LANGUAGES[i] for i in rng.permutation(4))
    directions = [(a, c), (a, d), (c, b), (d, b), (c, d)]
    order = rng.permutation(len(_lines(folder, "en")))
    blocks = np.split(order, np.arange(1, 6) * (_PRIOR_TRAIN + _VALIDATION))
    tasks = [
        _pairs(folder, *languages, rows)
        for languages, rows in zip(directions, blocks, strict=False)
    ]
    own = _pairs(folder, a, b, blocks[-1][: _TEST + _VALIDATION + pairs])
    words = [_words(task) for task in tasks]
    priors = [
        _prior(f"{one}-{other}", task, vocabulary)
        for (one, other), task, vocabulary in zip(directions, tasks, words, strict=True)
    ]
    union = _Words(*(Vocabulary.union(sides) for sides in zip(*words, strict=True)))
    ours = _words(own)
    examples = _examples(own, ours)
    return Domain(
        TOKENS,
        _build(ours),
        priors,
        Pool(
            _build(union),
            [_rows(_examples(task, union), 0, _PRIOR_TRAIN) for task in tasks],
            rows=_items(union),
        ),
        _rows(examples, _TEST + _VALIDATION, _TEST + _VALIDATION + pairs),
        _rows(examples, _TEST, _TEST + _VALIDATION),
        _rows(examples, 0, _TEST),
        _CHECKS,
        _RATES,
        rows=_items(ours),
        described=(_plain(own, _TEST, None), None),
        prior_steps=200,
        rounds=200,
    )


class Translator(nn.Module):
    """Sentences and the beginnings of their translations to the next words (logits)."""

    def __init__(self, n_source: int, n_target: int) -> None:
        super().__init__()
        self.source = nn.Embedding(n_source, _WIDTH)
        self.target = nn.Embedding(n_target, _WIDTH)
        self.encode = nn.Conv1d(_WIDTH, _WIDTH, 3, padding=1)
        self.decode = nn.Conv1d(_WIDTH, _WIDTH, 3)
        self.ask = nn.Linear(_WIDTH, _WIDTH)
        self.hidden = nn.Linear(2 * _WIDTH, _WIDTH)
        self.head = nn.Linear(_WIDTH, n_target)

    def forward(self, inputs: Tensor) -> Tensor:
        given, begun = inputs[:, :_LENGTH], inputs[:, _LENGTH:]
        words = self.source(given)
        words = words + torch.relu(self.encode(words.mT).mT)
        state = self.target(begun)
        state = state + torch.relu(self.decode(F.pad(state.mT, (2, 0))).mT)
        cosine_similarity = self.ask(state) @ words.mT / _WIDTH**0.5
        seen = cosine_similarity.masked_fill((given == 0)[:, None], -1e9).softmax(-1) @ words
        logits: Tensor = self.head(torch.relu(self.hidden(torch.cat([state, seen], -1))))
        return logits


def _build(words: _Words) -> partial[nn.Module]:
    make = partial(Translator, len(words.source), len(words.target))
    return partial(initial, make)


def _items(words: _Words) -> Rows:
    target = words.target.items
    return {
        "source.weight": words.source.items,
        "target.weight": target,
        "head.weight": target,
        "head.bias": target,
    }


def _prior(name: str, task: _Pairs, words: _Words) -> Prior:
    examples = _examples(task, words)
    return Prior(
        name,
        _build(words),
        _rows(examples, 0, _PRIOR_TRAIN),
        _rows(examples, _PRIOR_TRAIN, None),
        rows=_items(words),
        described=(_plain(task, 0, 1000), None),
    )


def _examples(task: _Pairs, words: _Words) -> Data:
    sources = words.source.encode(task.source, _LENGTH)
    targets = words.target.encode(task.target, _LENGTH + 1)
    return Data(torch.cat([sources, targets[:, :-1]], dim=1), targets[:, 1:])


def _rows(data: Data, start: int, stop: int | None) -> Data:
    return Data(data.inputs[start:stop], data.targets[start:stop])


def _words(task: _Pairs) -> _Words:
    marks = task.target[0][0], task.target[0][-1]
    return _Words(
        Vocabulary.of(task.source, _WORDS), Vocabulary.of(task.target, _WORDS, extra=marks)
    )


def _pairs(folder: Path, one: str, other: str, rows: NDArray[np.int64]) -> _Pairs:
    sides: list[list[Sentence]] = []
    for language in (one, other):
        lines = _lines(folder, language)
        sides.append([[(language, word) for word in lines[row][: _LENGTH - 1]] for row in rows])
    begin, end = (other, "<begin>"), (other, "<end>")
    return _Pairs(sides[0], [[begin, *sentence, end] for sentence in sides[1]])


def _plain(task: _Pairs, start: int, stop: int | None) -> list[tuple[str, str]]:
    """Pairs of strings, as meta-features are taken of."""
    sides = zip(task.source[start:stop], task.target[start:stop], strict=True)
    return [(_text(source), _text(target[1:-1])) for source, target in sides]


def _text(sentence: Sequence[tuple[str, str]]) -> str:
    return " ".join(word for _, word in sentence)


@cache
def _lines(folder: Path, language: str) -> list[list[str]]:
    with gzip.open(folder / f"train.{language}.gz", "rt", encoding="utf-8") as stream:
        return [split_words(line) for line in stream]
