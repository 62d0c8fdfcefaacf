from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.features import clean_meta_features
from optuna_meta.features.groups import Budget
from optuna_meta.features.text.pairs import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


WORDS = np.array("the a of film plot actor good fine bad poor very not".split())
DOCUMENTS = [" ".join(row) for row in np.random.default_rng(0).choice(WORDS, (120, 15))]
PAIRS = [(text, text.replace("the", "der").replace("a ", "ein ")) for text in DOCUMENTS]
NAMES = list(pair_meta_features([("a", "b")]))


def assert_well_formed(features: dict[str, float]) -> None:
    assert list(features) == NAMES
    assert all(type(value) is float for value in features.values())
    clean_meta_features(features)  # Refuses an infinite value.


PAIR_CASES = {
    "one pair": [("a", "b")],
    "empty": [("", "")] * 9,
    "one side empty": [("a b", "")] * 9,
    "missing": [(None, "a"), ("b", float("nan"))],
    "equal": [("a b c", "a b c")] * 9,
    "lists": [["a b", "c d"], ["e", "f"]],
    "array": np.array([["a b", "c d"], ["e", "f"]]),
    "frame": pd.DataFrame({"de": ["ein Hund", "zwei"], "en": ["a dog", "two"]}),
    "words": [(["a", "b"], ["c"])] * 3,
}


@pytest.mark.parametrize("case", PAIR_CASES)
def test_no_ordinary_pairs_are_too_odd(case: str) -> None:
    assert_well_formed(pair_meta_features(PAIR_CASES[case]))


def test_either_side_of_pairs_is_described_as_documents_are() -> None:
    features = pair_meta_features(PAIRS)
    assert_well_formed(features)
    for side, j in (("source", 0), ("target", 1)):
        alone = text_meta_features([pair[j] for pair in PAIRS], groups=["length", "vocabulary"])
        for name, value in alone.items():
            assert features[name.replace("text.", f"pair.{side}.")] == value


def test_turned_pairs_have_turned_features() -> None:
    features = pair_meta_features(PAIRS)
    turned = pair_meta_features([(second, first) for first, second in PAIRS])
    swaps = {"source": "target", "target": "source", "forward": "backward", "backward": "forward"}
    for name, value in features.items():
        parts = name.split(".")
        if parts[1] in swaps:
            assert turned[".".join(["pair", swaps[parts[1]], *parts[2:]])] == pytest.approx(value)
    assert turned["pair.vocabulary_ratio"] == pytest.approx(1 / features["pair.vocabulary_ratio"])
    assert turned["pair.length_cor"] == pytest.approx(features["pair.length_cor"], nan_ok=True)


def test_what_pairs_share() -> None:
    pairs = [("a b c", "a x"), ("d", "d b y z"), ("e e", "")]
    features = pair_meta_features(pairs)
    assert features["pair.length_ratio.mean"] == pytest.approx((2 / 3 + 4) / 2)
    assert features["pair.length_cor"] == pytest.approx(-1)
    assert features["pair.vocabulary_ratio"] == pytest.approx(6 / 5)
    # The b stands in another source sentence.
    assert features["pair.shared_token_ratio"] == pytest.approx(2 / 6)


def test_shuffled_pairs_align_worse() -> None:
    features = pair_meta_features(PAIRS, groups=["alignment"])
    others = np.random.default_rng(1).permutation([text for _, text in PAIRS])
    shuffled = pair_meta_features(list(zip(DOCUMENTS, others, strict=True)), groups=["alignment"])
    for direction in ("forward", "backward"):
        name = f"pair.{direction}.log_likelihood"
        assert features[name] > shuffled[name] + 0.2


def test_without_time_all_is_missing() -> None:
    features = pair_meta_features(PAIRS, budget=Budget(0))
    assert np.isnan(list(features.values())).all()


@pytest.mark.parametrize("pairs", ["a text", b"bytes", [], None, {"a": 1}, iter(["a"])])
def test_what_is_no_sequence_of_pairs_is_refused(pairs: Any) -> None:
    with pytest.raises(ValueError, match="pairs must be a sequence .* got"):
        pair_meta_features(pairs)


@pytest.mark.parametrize("pair", ["ab", ("a", "b", "c"), 3])
def test_what_is_no_pair_is_refused(pair: Any) -> None:
    with pytest.raises(ValueError, match="A pair must be a source and a target, got"):
        pair_meta_features([pair])
