"""Words and their numbers, for the domains of :mod:`benchmarks.weights.run` that read text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
import re

import torch
from torch import Tensor


__all__ = ["split_words", "Vocabulary"]

PAD, UNKNOWN = "<padding>", "<unknown>"  # Rows 0 and 1 of each vocabulary.

_WORD = re.compile(r"\w+|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Lower-case words and punctuation marks."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """The most frequent words, numbered; those left out share a number.

    Args:
        items: What rows stand for, after the padding and the unknown word.
    """

    def __init__(self, items: Iterable[Hashable]) -> None:
        self.items: tuple[Hashable, ...] = (PAD, UNKNOWN, *items)
        self._rows = {item: row for row, item in enumerate(self.items)}

    @classmethod
    def of(
        cls, sentences: Iterable[Iterable[Hashable]], size: int, extra: Iterable[Hashable] = ()
    ) -> Vocabulary:
        """The ``size`` most frequent items of sentences, of equals the first met."""
        counts = Counter(item for sentence in sentences for item in sentence)
        first = [*extra]
        for item in first:
            counts.pop(item, None)
        return cls([*first, *(item for item, _ in counts.most_common(size))])

    @classmethod
    def union(cls, several: Iterable[Vocabulary]) -> Vocabulary:
        """All items of several."""
        return cls(dict.fromkeys(item for one in several for item in one.items[2:]))

    def __len__(self) -> int:
        return len(self.items)

    def encode(self, sentences: Sequence[Sequence[Hashable]], length: int) -> Tensor:
        """Rows of the items, cut or padded to one length: (n, length)."""
        encoded = torch.zeros(len(sentences), length, dtype=torch.int64)
        for i, sentence in enumerate(sentences):
            rows = [self._rows.get(item, 1) for item in sentence[:length]]
            encoded[i, : len(rows)] = torch.tensor(rows, dtype=torch.int64)
        return encoded
