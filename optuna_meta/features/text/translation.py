"""How well words of one language tell those of another: IBM model 1.

Brown, Della Pietra, Della Pietra and Mercer (1993), "The mathematics of statistical machine
translation: parameter estimation".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.groups import Budget


__all__ = ["score_translations", "TranslationScores"]

_ROUNDS = 5  # Later ones change the scores little, and overfit rare words.
_MAX_LENGTH = 40  # Tokens of a sentence, the rest of which is not read: links are their square.
_MAX_LINKS = 1_000_000  # A round of them takes some hundredths of a second.


class TranslationScores(NamedTuple):
    """What a model says of how one side translates into the other."""

    log_likelihood: float  # mean over the tokens of the translations, bits
    ent: float  # entropy of a source token's translations, mean over its expected uses, bits
    distortion: float  # mean distance of the relative positions of a token and its likeliest


class _Links(NamedTuple):
    """All pairs of a source token, or none (number 0), and a token of its translation."""

    pair: NDArray[np.int64]  # (l,), the number of each distinct pair of types
    source_of: NDArray[np.int64]  # (pairs,), its source type
    spot: NDArray[np.int64]  # (l,), ascending, the occurrence of the translation's token
    choices: NDArray[np.int64]  # (spots,), source tokens of that sentence, and none
    shift: Array  # (l,), distance of relative positions, NaN of none


def score_translations(
    sources: list[NDArray[np.int64]], translations: list[NDArray[np.int64]], budget: Budget
) -> TranslationScores | None:
    """Return scores of a model trained for five rounds of EM on sentence pairs.

    None where the time does not last for all rounds.

    Sentences are cut after 40 tokens, and no further pairs are read after a million links
    between tokens. All scores are NaN without two tokens to link.

    Args:
        sources: The tokens' numbers, from 0, of each of n sentences, of shape (its length,).
        translations: The same of their translations.
        budget: The time that there is.
    """
    if not budget.allows():
        return None
    links = _link(sources, translations)
    if links is None:
        return TranslationScores(np.nan, np.nan, np.nan)
    nr_spots, nr_pairs = len(links.choices), len(links.source_of)
    nr_sources = int(links.source_of.max()) + 1
    table = np.ones(nr_pairs)
    for _ in range(_ROUNDS):
        if not budget.allows():
            return None
        weights = table[links.pair]
        weights = weights / np.bincount(links.spot, weights, nr_spots)[links.spot]
        counts = np.bincount(links.pair, weights, nr_pairs)
        uses = np.bincount(links.source_of, counts, nr_sources)
        table = counts / np.maximum(uses[links.source_of], 1e-300)
    totals = np.bincount(links.spot, table[links.pair], nr_spots)
    bits = -table * np.log2(np.maximum(table, 1e-300))
    entropies = np.bincount(links.source_of, bits, nr_sources)
    return TranslationScores(
        # A token's probability: the mean of its translations from all that it could come from.
        log_likelihood=float(np.mean(np.log2(totals / links.choices))),
        ent=float(entropies @ uses / uses.sum()),
        distortion=_distortion(links, table),
    )


def _link(
    sources: list[NDArray[np.int64]], translations: list[NDArray[np.int64]]
) -> _Links | None:
    """Return the links of as many sentence pairs as there is room for; None without any."""
    pairs, choices, shift = [], [], []
    nr_links = 0
    for words, translated in zip(sources, translations, strict=True):
        words, translated = words[:_MAX_LENGTH], translated[:_MAX_LENGTH]
        n, m = len(words), len(translated)
        if not n or not m:
            continue
        pairs.append([np.tile(np.append(words + 1, 0), m), np.repeat(translated, n + 1)])
        choices.append(np.full(m, n + 1))
        places = np.append((np.arange(n) + 0.5) / n, np.nan)
        shift.append(np.abs((np.arange(m)[:, None] + 0.5) / m - places).ravel())
        nr_links += m * (n + 1)
        if nr_links > _MAX_LINKS:
            break
    if not nr_links:
        return None
    source, translation = np.concatenate(pairs, axis=1)
    width = 1 + int(translation.max())
    keys, pair = np.unique(source * width + translation, return_inverse=True)
    nr_choices = np.concatenate(choices)
    spot = np.repeat(np.arange(len(nr_choices)), nr_choices)
    return _Links(pair, keys // width, spot, nr_choices, np.concatenate(shift))


def _distortion(links: _Links, table: Array) -> float:
    """Return the mean distance of each translated token to its likeliest source token."""
    starts = np.flatnonzero(np.diff(links.spot, prepend=-1))
    likelihood = table[links.pair]
    likeliest = np.maximum.reduceat(likelihood, starts)[links.spot]
    # Of several the nearest; none of them where no word is as likely as no source.
    shifts = np.fmin.reduceat(np.where(likelihood == likeliest, links.shift, np.nan), starts)
    present = shifts[~np.isnan(shifts)]
    return float(present.mean()) if len(present) else np.nan
