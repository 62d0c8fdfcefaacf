"""A sample of documents as numbered tokens, and measures of it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from itertools import chain
import re
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_missing
import optuna_meta.features.stats as stats


__all__ = [
    "Corpus",
    "LENGTH_NAMES",
    "VOCABULARY_NAMES",
    "as_text",
    "describe_lengths",
    "describe_vocabulary",
    "draw_items",
    "read_corpus",
]

LENGTH_NAMES = (
    *("tokens.mean", "tokens.sd", "tokens.median", "tokens.max"),
    *("characters.mean", "characters.sd", "token_length", "empty_ratio", "duplicate_ratio"),
    *("upper_ratio", "digit_ratio", "non_ascii_ratio"),
)
VOCABULARY_NAMES = (
    *("vocabulary", "type_token_ratio", "segment_type_token_ratio", "hapax_ratio"),
    *("zipf_slope", "heaps_exponent", "oov_ratio", "unigram_ent", "bigram_ent"),
)

_MAX_ITEMS = 5_000  # A share of them has a standard error of at most a hundredth.
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SEGMENT = 100  # tokens of which the types are counted: most corpora have as many
_NR_RANKS = 30  # of the fit of Zipf's law: of a thousand types ten for each factor of ten
_NR_PREFIXES = 20  # of the fit of Heaps' law: each has a twentieth of the tokens more
_TOTAL = 2_000_000  # characters of a sample, which take a fifth of a second to read
_LONGEST = 10_000  # characters of a document, some four pages


class Corpus(NamedTuple):
    """Documents, and their tokens in a row: lower-cased words and single punctuation marks."""

    texts: list[str]  # n documents, cut to the characters that are read
    tokens: NDArray[np.int64]  # (t,), numbered by first occurrence
    document: NDArray[np.int64]  # (t,), of each token
    vocabulary: list[str]  # the token of each number

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document.  # (n,)"""
        return np.bincount(self.document, minlength=len(self.texts))


def draw_items(
    values: Any, what: str, rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[Any]]:
    """Draw at most 5,000 of n values; return which, ascending (m,), and the values.

    Args:
        values: n documents or pairs that can be indexed by a number from 0.
        what: They are called so in an error's message.
        rng: Draws them.

    Raises:
        ValueError: If there are none, or they are a single text or a stream.
    """
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    indexed = hasattr(values, "__getitem__") and hasattr(values, "__len__")
    if isinstance(values, str | bytes | Mapping) or not indexed or not len(values):
        raise ValueError(
            f"{what} must be a sequence with at least one element, got "
            f"{type(values).__name__}. Read a stream into a list, and wrap a single text in one."
        )
    rows = stats.subsample(len(values), _MAX_ITEMS, rng)
    return rows, [values[i] for i in rows.tolist()]


def as_text(document: Any) -> str:
    """Return a document as a string: bytes decoded, words joined, empty where missing."""
    if isinstance(document, str):
        return document
    if isinstance(document, bytes):
        return document.decode("utf-8", errors="replace")
    if isinstance(document, list | tuple | np.ndarray):
        return " ".join(as_text(part) for part in document)
    return "" if is_missing(document) else str(document)


def read_corpus(texts: Sequence[str]) -> Corpus:
    """Split documents into tokens.

    A document is cut after 10,000 characters, and earlier where all of them have more than two
    million.
    """
    longest = max(1, min(_LONGEST, _TOTAL // max(1, len(texts))))
    if sum(min(len(text), _LONGEST) for text in texts) <= _TOTAL:
        longest = _LONGEST
    texts = [text[:longest] for text in texts]
    words = [_TOKEN.findall(text.lower()) for text in texts]
    number_of: dict[str, int] = {}
    tokens = [number_of.setdefault(word, len(number_of)) for word in chain.from_iterable(words)]
    document = np.repeat(np.arange(len(texts)), [len(found) for found in words])
    return Corpus(texts, np.array(tokens, dtype=np.int64), document, list(number_of))


def describe_lengths(corpus: Corpus) -> dict[str, float]:
    """Return the features of lengths and characters; none without a document."""
    if not corpus.texts:
        return {}
    lengths = corpus.lengths
    characters = np.array([len(text) for text in corpus.texts])
    letters = np.array([len(word) for word in corpus.vocabulary], dtype=np.float64)
    joined = "".join(corpus.texts)
    nr_ascii = len(joined.encode("ascii", errors="ignore"))
    return {
        "tokens.mean": lengths.mean(),
        "tokens.sd": lengths.std(),
        "tokens.median": float(np.median(lengths)),
        "tokens.max": lengths.max(),
        "characters.mean": characters.mean(),
        "characters.sd": characters.std(),
        "token_length": stats.mean(letters[corpus.tokens]),
        "empty_ratio": float(np.mean(lengths == 0)),
        "duplicate_ratio": 1.0 - len(set(corpus.texts)) / len(corpus.texts),
        "upper_ratio": stats.ratio(sum(map(str.isupper, joined)), len(joined)),
        "digit_ratio": stats.ratio(sum(map(str.isdigit, joined)), len(joined)),
        "non_ascii_ratio": stats.ratio(len(joined) - nr_ascii, len(joined)),
    }


def describe_vocabulary(corpus: Corpus, rng: np.random.Generator) -> dict[str, float]:
    """Return the features of the vocabulary; few without a token.

    Args:
        corpus: Of which documents.
        rng: Draws the half whose words are looked up among those of the other half.
    """
    tokens = corpus.tokens
    if not len(tokens):
        return {"vocabulary": 0.0}
    counts = np.bincount(tokens)
    return {
        "vocabulary": len(counts),
        "type_token_ratio": len(counts) / len(tokens),
        "segment_type_token_ratio": _segment_ratio(tokens),
        "hapax_ratio": float(np.mean(counts == 1)),
        "zipf_slope": _zipf_slope(counts),
        "heaps_exponent": _heaps_exponent(tokens),
        "oov_ratio": _oov_ratio(corpus, rng),
        "unigram_ent": stats.entropy(counts),
        "bigram_ent": _bigram_entropy(corpus),
    }


def _segment_ratio(tokens: NDArray[np.int64]) -> float:
    """Return the mean share of types among 100 tokens in a row, whatever the sample's size."""
    whole = len(tokens) // _SEGMENT
    if not whole:
        return np.nan
    segments = np.sort(tokens[: whole * _SEGMENT].reshape(whole, _SEGMENT), axis=1)
    return float(np.mean(np.count_nonzero(np.diff(segments), axis=1) + 1) / _SEGMENT)


def _zipf_slope(counts: NDArray[np.int64]) -> float:
    """Return the slope of log frequency over log rank, at ranks of equal logarithmic steps."""
    ranks = np.unique(np.geomspace(1, len(counts), _NR_RANKS).round().astype(np.int64))
    return stats.log_slope(ranks, np.sort(counts)[::-1][ranks - 1])


def _heaps_exponent(tokens: NDArray[np.int64]) -> float:
    """Return the slope of log vocabulary over log length, of the first so many tokens."""
    # Numbered by first occurrence, the largest number so far tells how many types there were.
    types = np.maximum.accumulate(tokens) + 1
    lengths = np.linspace(0, len(tokens), _NR_PREFIXES + 1)[1:].astype(np.int64)
    lengths = np.unique(np.maximum(lengths, 1))
    return stats.log_slope(lengths, types[lengths - 1])


def _oov_ratio(corpus: Corpus, rng: np.random.Generator) -> float:
    """Return the share of tokens of a random half of the documents that the rest lacks."""
    held_out = rng.permutation(len(corpus.texts))[: len(corpus.texts) // 2]
    out = np.isin(corpus.document, held_out)
    return stats.mean(np.isin(corpus.tokens[out], corpus.tokens[~out], invert=True))


def _bigram_entropy(corpus: Corpus) -> float:
    """Return the entropy of pairs of neighbours within a document, in bits."""
    inside = corpus.document[1:] == corpus.document[:-1]
    pairs = corpus.tokens[:-1][inside] * len(corpus.vocabulary) + corpus.tokens[1:][inside]
    return stats.entropy(np.unique(pairs, return_counts=True)[1]) if len(pairs) else np.nan
