"""The domains of :mod:`benchmarks.weights.run`, a module each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.weights.domain import CLASSES
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Kind
from benchmarks.weights.domain import TOKENS
from benchmarks.weights.domain import VALUES
from benchmarks.weights.domains.images import digits
from benchmarks.weights.domains.images import disjoint
from benchmarks.weights.domains.images import FASHION
from benchmarks.weights.domains.images import fashion
from benchmarks.weights.domains.recommender import ML100K
from benchmarks.weights.domains.recommender import recommender
from benchmarks.weights.domains.text import CORPORA
from benchmarks.weights.domains.text import text
from benchmarks.weights.domains.translation import MULTI30K
from benchmarks.weights.domains.translation import translation


__all__ = ["DOMAINS", "Entry"]


class Entry(NamedTuple):
    """A domain, and what may be asked of it."""

    make: Callable[[Path, int, int], Domain]  # Of a folder, a size and a seed.
    needs: str  # Below the user's folder; empty where a library ships the data.
    sizes: tuple[int, ...]
    kind: Kind
    unit: str  # What a size counts.
    poisoned: bool = True  # Whether poisoned sources are tried too,
    all_methods: bool = True  # and all methods.


DOMAINS = {
    "digits": Entry(
        lambda _, size, seed: digits(size, seed), "", (5, 20), CLASSES, "images of each class"
    ),
    "fashion": Entry(
        lambda folder, size, seed: fashion(folder / FASHION, size, seed),
        FASHION, (5, 20), CLASSES, "images of each class",
    ),
    "translation": Entry(
        lambda folder, size, seed: translation(folder / MULTI30K, size, seed),
        MULTI30K, (200, 1000), TOKENS, "pairs of sentences",
    ),
    "recommender": Entry(
        lambda folder, size, seed: recommender(folder / ML100K, size, seed),
        ML100K, (10, 25), VALUES, "ratings of each user",
    ),
    "text": Entry(
        lambda folder, size, seed: text(folder / CORPORA, size, seed),
        CORPORA, (50, 200), CLASSES, "sentences of each class",
    ),
    "disjoint": Entry(
        lambda _, size, seed: disjoint(size, seed),
        "", (5,), CLASSES, "images of each class", poisoned=False, all_methods=False,
    ),
}  # fmt: skip
