"""The one entry point, on data of every kind, within a time limit or without."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from itertools import count
import math
from typing import Any
import warnings

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris
import torch
from torch.utils.data import TensorDataset

from optuna_meta.features import extract_meta_features
from optuna_meta.features import Interactions
from optuna_meta.features import read_meta_features
from optuna_meta.features import record_meta_features
from optuna_meta.features.groups import Budget
from optuna_meta.features.image.image import image_meta_features
from optuna_meta.features.interactions.interactions import interaction_meta_features
from optuna_meta.features.tabular.tabular import TABULAR_GROUPS
from optuna_meta.features.tabular.tabular import tabular_meta_features
from optuna_meta.features.text.pairs import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


Extract = Callable[..., dict[str, float]]

IRIS = load_iris(return_X_y=True)


def share_of_positive(X: Any, y: Any) -> Mapping[str, object]:
    return {"share_of_positive": np.mean(X > 0), "labels": len(y)}


def broken(X: Any, y: Any) -> Mapping[str, object]:
    raise RuntimeError("no such luck")


def same(actual: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    return list(actual) == list(expected) and bool(
        actual == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
    )


def test_what_is_nothing_else_is_a_table() -> None:
    assert same(extract_meta_features(*IRIS, seed=3), tabular_meta_features(*IRIS, seed=3))
    features = extract_meta_features(*IRIS, task="regression")
    assert features["is_regression"] == 1


@pytest.mark.parametrize("group", TABULAR_GROUPS)
def test_a_group_alone_gives_what_it_gives_among_all(group: str) -> None:
    features = extract_meta_features(*IRIS, groups=[group])
    together = extract_meta_features(*IRIS)
    assert list(features) == list(TABULAR_GROUPS[group])
    assert same(features, {name: together[name] for name in features})


def test_an_unknown_group_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="groups must be among 'simple', .* got 'spectral'"):
        extract_meta_features(None, groups=["simple", "spectral"])


def test_without_time_all_features_are_missing() -> None:
    features = extract_meta_features(*IRIS, max_seconds=0)
    assert list(features) == list(extract_meta_features(*IRIS))
    assert all(math.isnan(value) for value in features.values())
    assert same(extract_meta_features(*IRIS, max_seconds=600), extract_meta_features(*IRIS))


def test_functions_and_dictionaries_join() -> None:
    features = extract_meta_features(*IRIS, extra=[share_of_positive, {"rooms": 3, "nr_inst": 1}])
    own = list(extract_meta_features(*IRIS))
    assert list(features) == [*own, "share_of_positive", "labels", "rooms"]
    assert features["share_of_positive"] == 1.0
    assert (features["labels"], features["rooms"]) == (150.0, 3.0)
    assert features["nr_inst"] == 1.0
    assert list(features)[: len(extract_meta_features(*IRIS))] == list(
        extract_meta_features(*IRIS)
    )


@pytest.mark.parametrize("extra", [share_of_positive, {"rooms": 3}])
def test_one_source_needs_no_list(extra: Any) -> None:
    expected = extract_meta_features(*IRIS, extra=[extra])
    assert same(extract_meta_features(*IRIS, extra=extra), expected)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (broken, "of broken are left out: RuntimeError: no such luck"),
        (lambda X, y: {"a": "x"}, "left out: ValueError: Meta-feature 'a' must be a real number"),
        (lambda X, y: None, "left out: ValueError: Meta-features must be a mapping"),
    ],
)
def test_a_function_that_fails_is_left_out_with_a_warning(function: Any, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        features = extract_meta_features(*IRIS, extra=[function, {"rooms": 3}])
    assert same(features, extract_meta_features(*IRIS) | {"rooms": 3.0})


def test_a_function_without_time_is_left_out_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="No time was left .* of share_of_positive"):
        features = extract_meta_features(*IRIS, max_seconds=0, extra=[share_of_positive, {"a": 1}])
    assert "labels" not in features
    assert features["a"] == 1.0


@pytest.mark.parametrize(
    ("extra", "message"),
    [([{"a": "x"}], "'a' must be a real number"), ([3], "extra must hold .* got 3 of type int")],
)
def test_a_bad_source_is_refused_before_anything_is_read(extra: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extract_meta_features(None, extra=extra)


def test_a_task_is_of_tables_alone() -> None:
    with pytest.raises(ValueError, match="task must be None for data of the kind 'text'"):
        extract_meta_features(["a", "b"], [0, 1], task="classification")


def test_nothing_is_shown_of_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract_meta_features(*IRIS, progress=True)
    assert capsys.readouterr().err.strip() == ""


RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((30, 1, 6, 6)), np.arange(30) % 3
DOCUMENTS = [f"word{label} and {i % 7}" for i, label in enumerate(LABELS)]
PAIRS = [(text, text.upper()) for text in DOCUMENTS]
INTERACTIONS = Interactions(LABELS, np.arange(30) % 10, LABELS, np.arange(30))
KINDS: dict[str, tuple[Callable[..., dict[str, float]], tuple[Any, ...]]] = {
    "images": (image_meta_features, (IMAGES, LABELS)),
    "tensor": (image_meta_features, (torch.as_tensor(IMAGES), torch.as_tensor(LABELS))),
    "data set": (
        image_meta_features,
        (TensorDataset(torch.as_tensor(IMAGES), torch.as_tensor(LABELS)),),
    ),
    "list of images": (image_meta_features, (list(IMAGES), list(LABELS))),
    "documents": (text_meta_features, (DOCUMENTS, LABELS)),
    "documents, some missing": (text_meta_features, ([None, *DOCUMENTS], None)),
    "array of documents": (text_meta_features, (np.array(DOCUMENTS), LABELS)),
    "pairs": (pair_meta_features, (PAIRS,)),
    "interactions": (interaction_meta_features, (INTERACTIONS,)),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_type_picks_the_extractor(name: str) -> None:
    extract, data = KINDS[name]
    expected = pytest.approx(extract(*data, seed=2), rel=0, nan_ok=True)
    assert extract_meta_features(*data, seed=2) == expected


@pytest.mark.parametrize("name", KINDS)
def test_groups_and_time_are_passed_on(name: str) -> None:
    _, data = KINDS[name]
    simple = extract_meta_features(*data, groups=["simple"])
    assert 0 < len(simple) < len(extract_meta_features(*data))
    none = extract_meta_features(*data, groups=["simple"], max_seconds=0)
    assert list(none) == list(simple)
    assert np.isnan(list(none.values())).all()


@pytest.mark.parametrize("name", KINDS)
def test_what_is_recorded_on_a_study_is_read_back(name: str) -> None:
    features = extract_meta_features(*KINDS[name][1])
    study = optuna.create_study()
    record_meta_features(study, features)
    assert read_meta_features(study.user_attrs) == pytest.approx(features, nan_ok=True)


def test_names_of_different_kinds_differ() -> None:
    data = [KINDS[name][1] for name in ("images", "documents", "pairs", "interactions")]
    names = [name for one in data for name in extract_meta_features(*one)]
    assert len(names) == len(set(names))


def test_own_features_join_those_of_images() -> None:
    features = extract_meta_features(IMAGES, LABELS, extra=lambda X, y: {"mean": X.mean()})
    assert features["mean"] == pytest.approx(features["image.pixel_mean.mean"])


_MOST_QUESTIONS = 100
OUTPUTS = IRIS[0] @ RNG.standard_normal((4, 2)) + RNG.standard_normal((150, 2))
WORDS = [[f"w{i}" for i in RNG.zipf(1.5, 20) % 50] for _ in range(30)]
TEXTS = [" ".join(words) for words in WORDS]
TEXT_PAIRS = list(zip(TEXTS, TEXTS[::-1], strict=True))
RATINGS = Interactions(
    RNG.integers(0, 20, 200), RNG.integers(0, 15, 200), RNG.integers(1, 6, 200), np.arange(200)
)
EXTRACTORS: dict[str, Extract] = {
    "classes": partial(tabular_meta_features, *IRIS),
    "outputs": partial(tabular_meta_features, IRIS[0], OUTPUTS),
    "images": partial(image_meta_features, RNG.random((30, 8, 8)), np.arange(30) % 2),
    "texts": partial(text_meta_features, TEXTS, np.arange(30) % 2),
    "numbered texts": partial(text_meta_features, TEXTS, RNG.random(30)),
    "pairs": partial(pair_meta_features, TEXT_PAIRS),
    "interactions": partial(interaction_meta_features, RATINGS),
}


def known(features: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in features.items() if not math.isnan(value)}


def asked(extract: Extract, most: float) -> tuple[dict[str, float], int]:
    """The features where the time is over at this question for it, and how many were asked."""
    ticks = count()
    features = extract(budget=Budget(most, clock=lambda: float(next(ticks))))
    return features, next(ticks)


@pytest.mark.parametrize("kind", EXTRACTORS)
def test_more_time_adds_features_and_changes_none(kind: str) -> None:
    whole: Any = EXTRACTORS[kind]()
    found, questions = asked(EXTRACTORS[kind], math.inf)
    assert known(found) == known(whole)
    assert questions <= _MOST_QUESTIONS
    before: dict[str, float] = {}
    sizes = set()
    for most in range(1, questions + 1):
        features, _ = asked(EXTRACTORS[kind], most)
        assert list(features) == list(whole)
        now = known(features)
        assert before.items() <= now.items() <= known(whole).items()
        before = now
        sizes.add(len(now))
    assert before == known(whole)
    # Neither the groups alone nor all at once.
    assert len(sizes) > 5
