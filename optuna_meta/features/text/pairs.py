"""How the two sides of parallel sentences compare; throughout, sides maps a side to its corpus."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.budget import Budget
from optuna_meta.features.measures import ratio
from optuna_meta.features.text.corpus import Corpus
from optuna_meta.features.text.corpus import describe_lengths
from optuna_meta.features.text.corpus import describe_vocabulary
from optuna_meta.features.text.translation import align


__all__ = ["compare_lengths", "compare_vocabularies", "score_alignments", "SIDES"]

SIDES = ("source", "target")


def compare_lengths(sides: Mapping[str, Corpus]) -> dict[str, float]:
    """Returns the lengths of either side, and those of the target beside the source's."""
    source, target = (sides[side].lengths for side in SIDES)
    both = (source > 0) & (target > 0)
    ratios = target[both] / source[both]
    varied = both.any() and np.ptp(source[both]) > 0 and np.ptp(target[both]) > 0
    return {
        **_prefixed({side: describe_lengths(corpus) for side, corpus in sides.items()}),
        "length_ratio.mean": float(ratios.mean()) if len(ratios) else np.nan,
        "length_ratio.sd": float(ratios.std()) if len(ratios) else np.nan,
        "length_cor": float(np.corrcoef(source[both], target[both])[0, 1]) if varied else np.nan,
    }


def compare_vocabularies(sides: Mapping[str, Corpus], seed: int) -> dict[str, float]:
    """Returns the vocabulary of either side, and what the two share.

    Args:
        sides: The corpora, of as many documents each.
        seed: Of the generator that halves them, in the same way.
    """
    source, target = (sides[side] for side in SIDES)
    described = {
        side: describe_vocabulary(corpus, np.random.default_rng([seed, 1]))
        for side, corpus in sides.items()
    }
    number_of = {word: i for i, word in enumerate(source.vocabulary)}
    width = len(number_of) + 1
    known = np.array([number_of.get(word, -1) for word in target.vocabulary], dtype=np.int64)
    found = known[target.tokens] if len(known) else target.tokens
    shared = np.isin(target.document * width + found, source.document * width + source.tokens)
    shared &= found >= 0
    return {
        **_prefixed(described),
        "vocabulary_ratio": ratio(len(target.vocabulary), len(source.vocabulary)),
        "shared_token_ratio": ratio(int(np.count_nonzero(shared)), len(shared)),
    }


def score_alignments(
    sides: Mapping[str, Corpus], rng: np.random.Generator, budget: Budget | None = None
) -> dict[str, float]:
    """Returns the scores of alignments in either direction, those that there is time for.

    Args:
        sides: The corpora, of as many documents each.
        rng: Draws which of them to read where they are too many.
        budget: The time that there is; None for no limit.
    """
    order = rng.permutation(len(sides["source"].texts))
    source, target = (_sentences(sides[side], order) for side in SIDES)
    budget = budget or Budget()
    directions = {"forward": (source, target), "backward": (target, source)}
    scores = {
        name: score
        for name, sentences in directions.items()
        if (score := align(*sentences, budget)) is not None
    }
    return _prefixed(
        {
            direction: {
                "log_likelihood": score.log_likelihood,
                "ent": score.entropy,
                "distortion": score.distortion,
            }
            for direction, score in scores.items()
        }
    )


def _sentences(corpus: Corpus, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Returns the tokens of each document, in this order of the documents."""
    sentences = np.split(corpus.tokens, np.cumsum(corpus.lengths)[:-1])
    return [sentences[i] for i in order]


def _prefixed(parts: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {
        f"{part}.{name}": value for part, names in parts.items() for name, value in names.items()
    }
