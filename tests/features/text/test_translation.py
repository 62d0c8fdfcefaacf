from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from optuna_meta.features.text import translation
from optuna_meta.features.text.translation import align


def sentences(n: int, n_types: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n_types, rng.integers(1, 9)) for _ in range(n)]


def likelihood_by_dicts(sources: list[np.ndarray], targets: list[np.ndarray]) -> float:
    """IBM model 1 word by word, in bits per token of the target."""
    table: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    pairs = [([-1, *s.tolist()], t.tolist()) for s, t in zip(sources, targets, strict=True)]
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
    sources, targets = sentences(40, 12), sentences(40, 9, seed=1)
    expected = likelihood_by_dicts(sources, targets)
    assert align(sources, targets).log_likelihood == pytest.approx(expected)


def test_each_round_raises_the_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, targets = sentences(40, 12), sentences(40, 9, seed=1)
    found = []
    for rounds in (1, 2, 3, 5, 9):
        monkeypatch.setattr(translation, "_ROUNDS", rounds)
        found.append(align(sources, targets).log_likelihood)
    assert (np.diff(found) > 0).all()


def test_a_cipher_is_told_from_noise() -> None:
    sources = sentences(300, 20)
    cipher = align(sources, [(words * 7 + 3) % 20 for words in sources])
    noise = align(sources, sentences(300, 20, seed=1))
    assert cipher.log_likelihood > noise.log_likelihood + 1
    assert cipher.entropy < 1 < noise.entropy
    assert cipher.distortion < 0.1 < noise.distortion


def test_a_reversed_order_is_a_distortion() -> None:
    sources = [np.random.default_rng(i).permutation(30)[:6] for i in range(300)]
    straight, turned = align(sources, sources), align(sources, [s[::-1] for s in sources])
    assert turned.log_likelihood == pytest.approx(straight.log_likelihood)
    assert turned.entropy == pytest.approx(straight.entropy)
    assert straight.distortion < 0.05
    assert turned.distortion == pytest.approx(0.5, abs=0.05)  # mean of 5, 3, 1, 1, 3, 5 sixths


def test_order_of_pairs_and_numbering_do_not_matter() -> None:
    sources, targets = sentences(40, 12), sentences(40, 9, seed=1)
    expected = pytest.approx(align(sources, targets))
    assert align(sources[::-1], targets[::-1]) == expected
    assert align([11 - s for s in sources], [t * 5 for t in targets]) == expected


def test_empty_sentences_have_no_links() -> None:
    sources, targets = sentences(40, 12), sentences(40, 9, seed=1)
    none = np.empty(0, dtype=np.int64)
    padded = align([none, *sources, sources[0]], [targets[0], *targets, none])
    assert padded == pytest.approx(align(sources, targets))
    assert np.isnan(align([none], [none])).all()
    assert np.isnan(align([], [])).all()


def test_long_data_are_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, targets = sentences(400, 12), sentences(400, 9, seed=1)
    monkeypatch.setattr(translation, "_MAX_LINKS", 1_000)
    assert align(sources, targets) == align(sources[:200], targets[:200])
    long = np.arange(500)
    assert align([long], [long]) == align([long[:40]], [long[:40]])
