"""Translation of captions (Multi30k): a pair of languages after studies of other pairs.

The model is a small convolutional translator with attention, after Gehring et al. (2017),
"Convolutional sequence to sequence learning". Each task has the words that are most frequent in
its own sentences, so rows of tables go by language and word. Sentences are different in all tasks.
"""

from functools import cache
from functools import partial
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn

from benchmarks.weights import tasks
from benchmarks.weights.domains import text


FOLDER = "multi30k/data/task1/raw"

_LANGUAGES = ("en", "de", "fr", "cs")
_LENGTH = 10  # Words of a sentence.
_WORDS = 150  # Of a language, in a task.
_WIDTH = 32
_PRIOR_TRAIN, _VALIDATION, _TEST = 2000, 100, 200
_MARKS = "<begin>", "<end>"  # Of a translation.
_DESCRIBED = 1000  # Pairs that a prior task's meta-features are taken of.

Sentence = list[tuple[str, str]]  # Language and word.
Pairs = tuple[list[Sentence], list[Sentence]]  # The translations with marks of begin and end.
Words = tuple[text.Words, ...]  # Of both sides.


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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given, begun = x[:, :_LENGTH], x[:, _LENGTH:]
        words = self.source(given)
        words = words + torch.relu(self.encode(words.mT).mT)
        state = self.target(begun)
        state = state + torch.relu(self.decode(nn.functional.pad(state.mT, (2, 0))).mT)
        attention = self.ask(state) @ words.mT / _WIDTH**0.5
        seen = attention.masked_fill((given == tasks.PADDING)[:, None], -1e9).softmax(-1) @ words
        logits: torch.Tensor = self.head(torch.relu(self.hidden(torch.cat([state, seen], -1))))
        return logits


def make(folder: Path, n_pairs: int, seed: int) -> tasks.Domain:
    """Make the new task of a pair of languages, after studies of five others."""
    # Two of them share its source language, two its target language.
    rng = np.random.default_rng([seed, 5])
    a, b, c, d = (_LANGUAGES[i] for i in rng.permutation(4))
    directions = [(a, c), (a, d), (c, b), (d, b), (c, d)]
    order = rng.permutation(len(_lines(folder, "en")))
    *blocks, rest = np.split(order, np.arange(1, 6) * (_PRIOR_TRAIN + _VALIDATION))
    earlier = [_pairs(folder, *of, rows) for of, rows in zip(directions, blocks, strict=True)]
    own = _pairs(folder, a, b, rest[: _TEST + _VALIDATION + n_pairs])
    valid, train = slice(_TEST, _TEST + _VALIDATION), slice(_TEST + _VALIDATION, None)
    prior_parts = slice(_PRIOR_TRAIN), slice(_PRIOR_TRAIN, None), slice(_DESCRIBED)
    union = tuple(map(text.union, zip(*map(_words, earlier), strict=True)))
    names = ("-".join(languages) for languages in directions)
    return tasks.Domain(
        tasks.TOKENS,
        _task("new", own, train, valid, slice(_TEST, None)),
        _examples(own, _words(own)).rows(slice(_TEST)),
        [_task(name, pairs, *prior_parts) for name, pairs in zip(names, earlier, strict=True)],
        _model(union),
        [_examples(pairs, union).rows(prior_parts[0]) for pairs in earlier],
        prior_steps=200,
        rounds=200,
    )


def _task(name: str, pairs: Pairs, train: slice, valid: slice, described: slice) -> tasks.Task:
    words = _words(pairs)
    examples = _examples(pairs, words)
    texts = [
        tuple(" ".join(word for _, word in side if word not in _MARKS) for side in pair)
        for pair in [*zip(*pairs, strict=True)][described]
    ]
    parts = examples.rows(train), examples.rows(valid)
    return tasks.Task(name, _model(words), *parts, (texts, None))


def _model(words: Words) -> tasks.Model:
    source, target = words
    rows = dict.fromkeys(("target.weight", "head.weight", "head.bias"), target)
    network = partial(Translator, len(source), len(target))
    return tasks.Model(network, {"source.weight": source, **rows})


def _examples(pairs: Pairs, words: Words) -> tasks.Data:
    sources = text.encode(pairs[0], words[0], _LENGTH)
    targets = text.encode(pairs[1], words[1], _LENGTH + 1)
    return tasks.Data(torch.cat([sources, targets[:, :-1]], dim=1), targets[:, 1:])


def _words(pairs: Pairs) -> Words:
    marks = pairs[1][0][0], pairs[1][0][-1]
    return text.vocabulary(pairs[0], _WORDS), text.vocabulary(pairs[1], _WORDS, extra=marks)


def _pairs(folder: Path, one: str, other: str, rows: NDArray[np.int64]) -> Pairs:
    source, target = (
        [[(name, word) for word in _lines(folder, name)[row][: _LENGTH - 1]] for row in rows]
        for name in (one, other)
    )
    begin, end = ((other, mark) for mark in _MARKS)
    return source, [[begin, *sentence, end] for sentence in target]


@cache
def _lines(folder: Path, language: str) -> list[list[str]]:
    with gzip.open(folder / f"train.{language}.gz", "rt", encoding="utf-8") as stream:
        return [text.split_words(line) for line in stream]
