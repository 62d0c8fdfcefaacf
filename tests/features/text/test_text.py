from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.features import clean_meta_features
from optuna_meta.features.groups import Budget
from optuna_meta.features.text.text import text_meta_features


WORDS = np.array("the a of film plot actor good fine bad poor very not".split())
RNG = np.random.default_rng(0)


def reviews(n: int) -> tuple[list[str], list[str]]:
    """Documents of which one word in five tells the label."""
    labels = RNG.choice(["no", "yes"], n).tolist()
    common = RNG.choice(WORDS[:6], (n, 12))
    telling = {"yes": WORDS[6:8], "no": WORDS[8:10]}
    documents = [
        " ".join([*row, *RNG.choice(telling[label], 3)])
        for row, label in zip(common, labels, strict=True)
    ]
    return documents, labels


DOCUMENTS, LABELS = reviews(120)
NAMES = list(text_meta_features(["a"]))


def assert_well_formed(features: dict[str, float]) -> None:
    assert list(features) == NAMES
    assert all(type(value) is float for value in features.values())
    clean_meta_features(features)  # Refuses an infinite value.


def test_words_that_tell_the_label_are_found() -> None:
    features = text_meta_features(DOCUMENTS, LABELS)
    assert_well_formed(features)
    assert (features["text.nr_inst"], features["text.nr_class"]) == (120, 2)
    assert features["text.tokens.mean"] == features["text.tokens.max"] == 15
    assert features["text.naive_bayes"] == 1
    assert features["text.nearest_centroid"] > 0.95
    shuffled = text_meta_features(DOCUMENTS, np.random.default_rng(1).permutation(LABELS))
    assert shuffled["text.naive_bayes"] < 0.7


def test_documents_in_several_types_have_one_description() -> None:
    expected = text_meta_features(DOCUMENTS, LABELS)
    variants: list[tuple[Any, Any]] = [
        (tuple(DOCUMENTS), np.array(LABELS)),
        (np.array(DOCUMENTS), [label == "yes" for label in LABELS]),
        (pd.Series(DOCUMENTS, index=[5] * 120), pd.Series(LABELS, dtype="category")),
        (pd.Series(DOCUMENTS, dtype="string"), LABELS),
        ([text.encode() for text in DOCUMENTS], LABELS),
        ([text.split() for text in DOCUMENTS], LABELS),
    ]
    for documents, labels in variants:
        features = text_meta_features(documents, labels)
        assert features == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_numbers_are_regressed_on() -> None:
    lengths = [text.count("good") + RNG.random() / 10 for text in DOCUMENTS]
    features = text_meta_features(DOCUMENTS, lengths)
    assert features["text.is_regression"] == 1
    assert features["text.ridge"] > 0.7
    assert np.isnan(features["text.naive_bayes"])


EDGE_CASES: dict[str, tuple[Any, Any]] = {
    "one document": (["a"], ["x"]),
    "empty documents": ([""] * 20, LABELS[:20]),
    "missing documents": ([None, float("nan"), "a b"] * 9, list("xyz") * 9),
    "one word": (["a"] * 20, LABELS[:20]),
    "a word of its own each": ([f"w{i}" for i in range(30)], LABELS[:30]),
    "no labels": (DOCUMENTS, None),
    "missing labels": (DOCUMENTS, [None, "x", "y"] * 40),
    "one class": (DOCUMENTS, ["x"] * 120),
    "a class per document": (DOCUMENTS, list(range(120))),
    "sets of labels": (DOCUMENTS, [{"p", "q"}, {"p"}] * 60),
    "continuous labels": (DOCUMENTS, RNG.random(120)),
    "huge labels": (DOCUMENTS, RNG.random(120) * 1e300),
    "numbers": ([1, 2.5, 3] * 9, list("xyz") * 9),
    "punctuation": (["...", "?!", "—"] * 9, list("xyz") * 9),
    "no spaces": (["試験" * 2_000] * 9, list("xyz") * 3),
    "lone surrogates": (["\ud800 a", "b \udfff"] * 9, list("xy") * 9),
}


@pytest.mark.parametrize("case", EDGE_CASES)
def test_no_ordinary_documents_are_too_odd(case: str) -> None:
    assert_well_formed(text_meta_features(*EDGE_CASES[case]))


SCRIPT = """
import json, sys
from optuna_meta.features.text.text import text_meta_features
documents, labels = json.load(sys.stdin)
print(json.dumps(text_meta_features(documents, labels, seed=3)))
"""


def test_another_process_with_another_hash_seed_finds_the_same() -> None:
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([DOCUMENTS, LABELS]),
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    expected = text_meta_features(DOCUMENTS, LABELS, seed=3)
    assert json.loads(output) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_the_seed_draws_the_documents() -> None:
    documents = [f"w{i} w{i % 7}" for i in range(6_000)]
    first = text_meta_features(documents, groups=["length"])
    assert text_meta_features(documents, groups=["length"]) == first
    assert text_meta_features(documents, groups=["length"], seed=1) != first


def test_without_time_all_is_missing() -> None:
    features = text_meta_features(DOCUMENTS, LABELS, budget=Budget(0))
    assert np.isnan(list(features.values())).all()


@pytest.mark.parametrize("documents", ["a text", b"bytes", [], None, {"a": 1}, iter(["a"])])
def test_what_is_no_sequence_of_documents_is_refused(documents: Any) -> None:
    with pytest.raises(ValueError, match="documents must be a sequence .* got"):
        text_meta_features(documents)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match="groups must be among 'simple', .* got 'alignment'"):
        text_meta_features(DOCUMENTS, groups="alignment")
