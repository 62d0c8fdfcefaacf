"""Pairs of sentences in files of one sentence a line, and the tasks that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import gzip
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
import torch
from torch import Tensor

from examples.common import Task


PADDING, BEGIN, END = range(3)
_MARKS = ["<padding>", "<begin>", "<end>"]
_SHORT = 8  # Words of a sentence at most.
_BLOCKS = 4


Pairs = tuple[list[str], list[str]]


@dataclass
class Corpus:
    """The sentences of a task, in both languages.

    Args:
        train: To learn from.
        valid: To choose by.
        test: To report on.
    """

    train: Pairs
    valid: Pairs
    test: Pairs
    _tokenizers: dict[int, Tokenizer] = field(default_factory=dict, repr=False)

    def subwords(self, size: int) -> Tokenizer:
        """Return the subwords of both languages together, made of the sentences to train on."""
        if size not in self._tokenizers:
            tokenizer = Tokenizer(BPE())
            tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(), ByteLevelDecoder()
            trainer = BpeTrainer(
                vocab_size=size,
                show_progress=False,
                special_tokens=_MARKS,
                initial_alphabet=ByteLevel.alphabet(),
            )
            tokenizer.train_from_iterator([*self.train[0], *self.train[1]], trainer)
            tokenizer.enable_padding(pad_id=PADDING, pad_token=_MARKS[PADDING])
            self._tokenizers[size] = tokenizer
        return self._tokenizers[size]


def tokens(tokenizer: Tokenizer) -> list[str]:
    """Return what the rows of an embedding stand for."""
    numbers = tokenizer.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)


def encode(tokenizer: Tokenizer, sentences: Iterable[str], device: str) -> Tensor:
    """Return sentences by the numbers of their subwords, between marks.  # (n, length)"""
    marked = [f"{_MARKS[BEGIN]}{sentence}{_MARKS[END]}" for sentence in sentences]
    return torch.tensor([line.ids for line in tokenizer.encode_batch(marked)], device=device)


def read_multi30k(folder: Path, languages: Iterable[str]) -> dict[str, Mapping[str, list[str]]]:
    """Return the lines of train, val and test, by part and language; line n is the same in all.

    Args:
        folder: With train.en, val.en, test_2016_flickr.en and so on, packed (.gz) or not.
        languages: Which of en, de, fr and cs.
    """
    languages = list(languages)
    return {
        part: {language: _lines(folder, f"{part}.{language}") for language in languages}
        for part in ("train", "val", "test_2016_flickr")
    }


def _lines(folder: Path, name: str) -> list[str]:
    packed = folder / f"{name}.gz"
    if packed.exists():
        return gzip.decompress(packed.read_bytes()).decode("utf-8").splitlines()
    return (folder / name).read_text(encoding="utf-8").splitlines()


def task(
    parts: Mapping[str, Mapping[str, list[str]]],
    source: str,
    target: str,
    n: int,
    block: int,
    *,
    shuffled: bool = False,
) -> Task:
    """Make a task of a direction, of short sentences.

    Args:
        parts: All sentences, by part and language.
        source: The language to translate from.
        target: The language to translate into.
        n: How many pairs to train on.
        block: Which of four blocks of sentences to take them from: they have none in common.
        shuffled: Whether words of translations are drawn anew, so that there is nothing to learn.
    """
    lines = parts["train"]
    rows = np.random.default_rng(0).permutation(len(lines[source]))[block::_BLOCKS]
    own = {language: [lines[language][row] for row in rows] for language in (source, target)}
    train, valid, test = (
        _short(part, source, target) for part in (own, parts["val"], parts["test_2016_flickr"])
    )
    if len(train[0]) < n:
        raise ValueError(f"Wanted {n} short pairs from {source} to {target}, got {len(train[0])}.")
    train = train[0][:n], train[1][:n]
    name = f"{source} to {target}"
    if shuffled:
        words = np.random.default_rng(0).permutation(" ".join(train[1]).split())
        ends = np.cumsum([len(line.split()) for line in train[1]])
        train = train[0], [" ".join(line) for line in np.split(words, ends[:-1])]
        name += ", shuffled"
    return Task(name, Corpus(train, valid, test))


def _short(lines: Mapping[str, list[str]], source: str, target: str) -> Pairs:
    pairs = zip(lines[source], lines[target], strict=True)
    kept = [pair for pair in pairs if all(len(line.split()) <= _SHORT for line in pair)]
    return [pair[0] for pair in kept], [pair[1] for pair in kept]


def write_sample(folder: Path) -> Path:
    """Write sentences in four made-up languages, each with its own words and order of them."""
    rng = np.random.default_rng(0)
    syllables = [a + b for a in "bdgklmnprst" for b in "aeiou"]
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 900), ("val", 40), ("test_2016_flickr", 40)):
        meanings = rng.integers(30, size=(n, 5))
        for language, order in (("en", 1), ("de", -1), ("fr", 1), ("cs", -1)):
            own = np.random.default_rng(len(language) + ord(language[0]))
            words = np.array(["".join(own.choice(syllables, 2)) for _ in range(30)])
            lines = [" ".join(words[meaning][::order]) for meaning in meanings]
            (folder / f"{part}.{language}").write_text("\n".join(lines), encoding="utf-8")
    return folder
