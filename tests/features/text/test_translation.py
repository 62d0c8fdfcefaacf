from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from optuna_meta.features.groups import UNLIMITED
from optuna_meta.features.text import translation
from optuna_meta.features.text.translation import score_translations
from optuna_meta.features.text.translation import TranslationScores


def score(sources: list[np.ndarray], others: list[np.ndarray]) -> TranslationScores:
    scores = score_translations(sources, others, UNLIMITED)
    assert scores is not None
    return scores


def sentences(n: int, n_types: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n_types, rng.integers(1, 9)) for _ in range(n)]


def likelihood_by_dicts(sources: list[np.ndarray], others: list[np.ndarray]) -> float:
    """IBM model 1 word by word, in bits per token of the translations."""
    table: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    pairs = [([-1, *s.tolist()], t.tolist()) for s, t in zip(sources, others, strict=True)]
    for _ in range(5):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        uses: dict[int, float] = defaultdict(float)
        for words, translated in pairs:
            for f in translated:
                total = sum(table[e, f] for e in words)
                for e in words:
                    counts[e, f] += table[e, f] / total
                    uses[e] += table[e, f] / total
        table = defaultdict(float, {(e, f): c / uses[e] for (e, f), c in counts.items()})
    bits = [
        np.log2(sum(table[e, f] for e in words) / len(words))
        for words, translated in pairs
        for f in translated
    ]
    return float(np.mean(bits))


def test_the_likelihood_is_that_of_a_plain_implementation() -> None:
    sources, others = sentences(40, 12), sentences(40, 9, seed=1)
    expected = likelihood_by_dicts(sources, others)
    assert score(sources, others).log_likelihood == pytest.approx(expected)


def test_each_round_raises_the_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, others = sentences(40, 12), sentences(40, 9, seed=1)
    found = []
    for rounds in (1, 2, 3, 5, 9):
        monkeypatch.setattr(translation, "_ROUNDS", rounds)
        found.append(score(sources, others).log_likelihood)
    assert (np.diff(found) > 0).all()


def test_a_cipher_is_told_from_noise() -> None:
    sources = sentences(300, 20)
    cipher = score(sources, [(words * 7 + 3) % 20 for words in sources])
    noise = score(sources, sentences(300, 20, seed=1))
    assert cipher.log_likelihood > noise.log_likelihood + 1
    assert cipher.ent < 1 < noise.ent
    assert cipher.distortion < 0.1 < noise.distortion


def test_a_reversed_order_is_a_distortion() -> None:
    sources = [np.random.default_rng(i).permutation(30)[:6] for i in range(300)]
    straight, turned = (score(sources, sources), score(sources, [s[::-1] for s in sources]))
    assert turned.log_likelihood == pytest.approx(straight.log_likelihood)
    assert turned.ent == pytest.approx(straight.ent)
    assert straight.distortion < 0.05
    assert turned.distortion == pytest.approx(0.5, abs=0.05)  # mean of 5, 3, 1, 1, 3, 5 sixths


def test_order_of_pairs_and_numbering_do_not_matter() -> None:
    sources, others = sentences(40, 12), sentences(40, 9, seed=1)
    expected = pytest.approx(score(sources, others))
    assert score(sources[::-1], others[::-1]) == expected
    assert score([11 - s for s in sources], [t * 5 for t in others]) == expected


def test_empty_sentences_have_no_links() -> None:
    sources, others = sentences(40, 12), sentences(40, 9, seed=1)
    none = np.empty(0, dtype=np.int64)
    padded = score([none, *sources, sources[0]], [others[0], *others, none])
    assert padded == pytest.approx(score(sources, others))
    assert np.isnan(score([none], [none])).all()
    assert np.isnan(score([], [])).all()


def test_long_data_are_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, others = sentences(400, 12), sentences(400, 9, seed=1)
    monkeypatch.setattr(translation, "_MAX_LINKS", 1_000)
    assert score(sources, others) == score(sources[:200], others[:200])
    long = np.arange(500)
    assert score([long], [long]) == score([long[:40]], [long[:40]])
