"""The one entry point on data that are no table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch.utils.data import TensorDataset

from optuna_meta.features import extract_meta_features
from optuna_meta.features import Interactions
from optuna_meta.features import read_meta_features
from optuna_meta.features import record_meta_features
from optuna_meta.features.image.image import image_meta_features
from optuna_meta.features.interactions.interactions import interaction_meta_features
from optuna_meta.features.text.text import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


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
