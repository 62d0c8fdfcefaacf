from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.feature_extraction.text import CountVectorizer

from optuna_meta.features.text.tokens import as_text
from optuna_meta.features.text.tokens import describe_lengths
from optuna_meta.features.text.tokens import describe_vocabulary
from optuna_meta.features.text.tokens import read_corpus


TEXTS = ["The cat sat.", "", "the DOG sat on the cat!", "Nobody's cat: 42.", "The cat sat."]


def numbered(n_tokens: int, n_types: int, exponent: float = 1.0) -> list[str]:
    """Documents of ten words whose probability falls with their rank to the given power."""
    weights = np.arange(1.0, n_types + 1) ** -exponent
    words = np.random.default_rng(0).choice(n_types, n_tokens, p=weights / weights.sum())
    return [" ".join(f"w{word}" for word in line) for line in words.reshape(-1, 10)]


def describe(texts: list[str]) -> dict[str, float]:
    return describe_vocabulary(read_corpus(texts), np.random.default_rng(0))


@pytest.mark.parametrize("ngram", [1, 2])
def test_tokens_and_their_pairs_are_those_of_sklearn(ngram: int) -> None:
    vectoriser = CountVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(ngram, ngram))
    counts = np.asarray(vectoriser.fit_transform(TEXTS).sum(axis=0)).ravel()
    features = describe(TEXTS)
    name = {1: "unigram_ent", 2: "bigram_ent"}[ngram]
    assert features[name] == pytest.approx(scipy.stats.entropy(counts, base=2))
    if ngram == 1:
        assert features["vocabulary"] == len(counts)
        assert features["type_token_ratio"] == pytest.approx(len(counts) / counts.sum())
        assert features["hapax_ratio"] == pytest.approx((counts == 1).mean())


def test_lengths() -> None:
    corpus = read_corpus(TEXTS)
    assert corpus.lengths.tolist() == [4, 0, 7, 7, 4]
    features = describe_lengths(corpus)
    joined = "".join(TEXTS)
    expected = {
        "tokens.mean": 22 / 5,
        "tokens.median": 4,
        "tokens.max": 7,
        "characters.mean": len(joined) / 5,
        "token_length": sum(len(text.replace(" ", "")) for text in TEXTS) / 22,
        "empty_ratio": 1 / 5,
        "duplicate_ratio": 1 / 5,
        "upper_ratio": 6 / len(joined),
        "digit_ratio": 2 / len(joined),
        "non_ascii_ratio": 0,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected)


def test_other_scripts_are_words_too() -> None:
    corpus = read_corpus(["Ärger über naïve Öfen", "тест 試験"])
    assert corpus.lengths.tolist() == [4, 2]
    assert describe_lengths(corpus)["non_ascii_ratio"] == pytest.approx(10 / 28)


@pytest.mark.parametrize("exponent", [0.8, 1.2])
def test_zipfs_law_is_found(exponent: float) -> None:
    features = describe(numbered(60_000, 300, exponent))
    assert features["zipf_slope"] == pytest.approx(-exponent, abs=0.1)


def test_heaps_law() -> None:
    new_each_time = [" ".join(f"w{10 * i + j}" for j in range(10)) for i in range(100)]
    assert describe(new_each_time)["heaps_exponent"] == pytest.approx(1.0)
    assert describe(["a b c d e"] * 100)["heaps_exponent"] == pytest.approx(0.0)


def test_the_ratio_of_segments_hardly_depends_on_the_size() -> None:
    few, many = describe(numbered(5_000, 1_000)), describe(numbered(50_000, 1_000))
    ratio = "segment_type_token_ratio"
    assert few[ratio] == pytest.approx(many[ratio], rel=0.05)
    assert few["type_token_ratio"] > 2 * many["type_token_ratio"]
    assert np.isnan(describe(["a b c"])[ratio])


def test_words_that_the_other_half_lacks() -> None:
    assert describe(["a b", "a b", "b a", "a"])["oov_ratio"] == 0
    assert describe(["a b", "c d", "e f", "g h"])["oov_ratio"] == 1
    # Each half has its own first word in each document, and the second in common.
    assert describe([f"w{i} a" for i in range(10)])["oov_ratio"] == 0.5


CELLS = [
    ("plain", "plain"),
    (b"caf\xc3\xa9 \xff", "café \ufffd"),
    (["two", "words"], "two words"),
    (np.array(["two", "words"]), "two words"),
    (np.str_("numpy"), "numpy"),
    (None, ""),
    (float("nan"), ""),
    (pd.NA, ""),
    (pd.NaT, ""),
    (3.5, "3.5"),
]


@pytest.mark.parametrize(("document", "expected"), CELLS)
def test_documents_of_any_type_are_texts(document: Any, expected: str) -> None:
    assert as_text(document) == expected


def test_long_documents_are_cut() -> None:
    assert read_corpus(["a " * 50_000]).lengths.tolist() == [5_000]
    assert read_corpus(["a " * 5_000] * 1_000).lengths.sum() <= 1_000_000
    assert read_corpus(["a " * 5_000] + ["a"] * 999).lengths[0] == 5_000


def test_nothing_to_read() -> None:
    assert describe(["", " "]) == {"vocabulary": 0.0}
    assert describe_lengths(read_corpus([])) == {}
    lengths = describe_lengths(read_corpus([""]))
    assert lengths["empty_ratio"] == 1 and np.isnan(lengths["token_length"])
