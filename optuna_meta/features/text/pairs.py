"""Meta-features of parallel sentences, all named ``pair.``...

The sides of a pair are a source and its translation, as names have it a ``target``.

* ``simple``: ``nr_inst``.
* ``length``: that of :mod:`.text` of either side (``pair.source...``, ``pair.target...``),
  ``length_ratio`` (tokens of the translation per token of the source) and ``length_cor``.
* ``vocabulary``: that of :mod:`.text` of either side, ``vocabulary_ratio`` (the translations'
  types per type of the sources), ``shared_token_ratio`` (share of the translations' tokens that
  their source sentence has too).
* ``alignment``: ``log_likelihood``, ``ent`` and ``distortion`` of :func:`.score_translations`,
  from the source (``forward...``) and back from the translation (``backward...``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import Extractor
from optuna_meta.features.groups import Steps
import optuna_meta.features.stats as stats
import optuna_meta.features.text.tokens as tokens
from optuna_meta.features.text.tokens import Corpus
from optuna_meta.features.text.translation import score_translations


__all__ = ["pair_meta_features"]

_SIDES = ("source", "target")
_GROUPS = {
    "simple": ("nr_inst",),
    "length": (
        *(f"{side}.{name}" for side in _SIDES for name in tokens.LENGTH_NAMES),
        *("length_ratio.mean", "length_ratio.sd", "length_cor"),
    ),
    "vocabulary": (
        *(f"{side}.{name}" for side in _SIDES for name in tokens.VOCABULARY_NAMES),
        *("vocabulary_ratio", "shared_token_ratio"),
    ),
    "alignment": tuple(
        f"{direction}.{name}"
        for direction in ("forward", "backward")
        for name in ("log_likelihood", "ent", "distortion")
    ),
}


def prepare_pairs(pairs: Any, *, seed: int, budget: Budget) -> Steps:
    """Read a sample of sentence pairs, and say how to compute each group of features.

    All but ``nr_inst`` is of a sample of at most 5,000 pairs and two million characters a side,
    alignments of a million links between tokens.

    Args:
        pairs: A sequence of (source, target) strings, or an array of shape (n, 2).
        seed: Of the generators that draw the pairs, the halves and what is aligned.
        budget: The time that there is.

    Raises:
        ValueError: If there are no pairs, or one is none of two texts.
    """
    _, drawn = tokens.draw_items(pairs, "pairs", np.random.default_rng(seed))
    texts = zip(*map(_read_pair, drawn), strict=True)
    sides = dict(zip(_SIDES, map(tokens.read_corpus, texts), strict=True))
    return {
        "simple": lambda: {"nr_inst": len(pairs)},
        "length": lambda: _compare_lengths(sides),
        "vocabulary": lambda: _compare_vocabularies(sides, seed),
        "alignment": lambda: _score_alignments(sides, np.random.default_rng([seed, 2]), budget),
    }


pair_meta_features = Extractor("pair.", _GROUPS, prepare_pairs)


def _read_pair(pair: Any) -> tuple[str, str]:
    if isinstance(pair, str | bytes) or not hasattr(pair, "__len__") or len(pair) != 2:
        raise ValueError(
            f"A pair must be a source and a target, got {pair!r:.60}. "
            "Pass (source, target) tuples."
        )
    return tokens.as_text(pair[0]), tokens.as_text(pair[1])


def _compare_lengths(sides: Mapping[str, Corpus]) -> dict[str, float]:
    """Return the lengths of either side, and those of the translation beside the source's."""
    source, translation = (sides[side].lengths for side in _SIDES)
    both = (source > 0) & (translation > 0)
    ratios = translation[both] / source[both]
    varied = both.any() and np.ptp(source[both]) > 0 and np.ptp(translation[both]) > 0
    return {
        **_prefixed({side: tokens.describe_lengths(corpus) for side, corpus in sides.items()}),
        "length_ratio.mean": stats.mean(ratios),
        "length_ratio.sd": float(ratios.std()) if len(ratios) else np.nan,
        "length_cor": float(np.corrcoef(source[both], translation[both])[0, 1])
        if varied
        else np.nan,
    }


def _compare_vocabularies(sides: Mapping[str, Corpus], seed: int) -> dict[str, float]:
    """Return the vocabulary of either side, and what the two share.

    Args:
        sides: The corpora, of as many documents each.
        seed: Of the generator that halves them, in the same way.
    """
    source, translation = (sides[side] for side in _SIDES)
    described = {
        side: tokens.describe_vocabulary(corpus, np.random.default_rng([seed, 1]))
        for side, corpus in sides.items()
    }
    number_of = {word: i for i, word in enumerate(source.vocabulary)}
    width = len(number_of) + 1
    known = np.array([number_of.get(word, -1) for word in translation.vocabulary], dtype=np.int64)
    found = known[translation.tokens] if len(known) else translation.tokens
    shared = np.isin(translation.document * width + found, source.document * width + source.tokens)
    shared &= found >= 0
    return {
        **_prefixed(described),
        "vocabulary_ratio": stats.ratio(len(translation.vocabulary), len(source.vocabulary)),
        "shared_token_ratio": stats.ratio(int(np.count_nonzero(shared)), len(shared)),
    }


def _score_alignments(
    sides: Mapping[str, Corpus], rng: np.random.Generator, budget: Budget
) -> dict[str, float]:
    """Return the scores of word alignments in either direction, those that there is time for.

    Args:
        sides: The corpora, of as many documents each.
        rng: Draws which of them to read where they are too many.
        budget: The time that there is.
    """
    order = rng.permutation(len(sides["source"].texts))
    source, translation = (_sentences(sides[side], order) for side in _SIDES)
    directions = {"forward": (source, translation), "backward": (translation, source)}
    scores = {name: score_translations(*pair, budget) for name, pair in directions.items()}
    return _prefixed({name: found._asdict() for name, found in scores.items() if found})


def _sentences(corpus: Corpus, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the tokens of each document, in this order of the documents."""
    sentences = np.split(corpus.tokens, np.cumsum(corpus.lengths)[:-1])
    return [sentences[i] for i in order]


def _prefixed(parts: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {
        f"{part}.{name}": value for part, names in parts.items() for name, value in names.items()
    }
