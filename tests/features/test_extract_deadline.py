"""Whatever the data: what there was time for is as without a limit, and the rest is NaN."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
import math
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from optuna_meta.features.budget import Budget
from optuna_meta.features.image.image import image_meta_features
from optuna_meta.features.interactions.interactions import interaction_meta_features
from optuna_meta.features.interactions.table import Interactions
from optuna_meta.features.tabular.tabular import tabular_meta_features
from optuna_meta.features.text.text import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


Extract = Callable[..., dict[str, float]]

_MOST_QUESTIONS = 100
_RNG = np.random.default_rng(0)
_IRIS = load_iris(return_X_y=True)
_OUTPUTS = _IRIS[0] @ _RNG.standard_normal((4, 2)) + _RNG.standard_normal((150, 2))
_WORDS = [[f"w{i}" for i in _RNG.zipf(1.5, 20) % 50] for _ in range(30)]
_DOCUMENTS = [" ".join(words) for words in _WORDS]
_PAIRS = [(a, b) for a, b in zip(_DOCUMENTS, _DOCUMENTS[::-1], strict=True)]
_INTERACTIONS = Interactions(
    _RNG.integers(0, 20, 200), _RNG.integers(0, 15, 200), _RNG.integers(1, 6, 200), np.arange(200)
)
EXTRACTORS: dict[str, Extract] = {
    "classes": partial(tabular_meta_features, *_IRIS),
    "outputs": partial(tabular_meta_features, _IRIS[0], _OUTPUTS),
    "images": partial(image_meta_features, _RNG.random((30, 8, 8)), np.arange(30) % 2),
    "texts": partial(text_meta_features, _DOCUMENTS, np.arange(30) % 2),
    "numbered texts": partial(text_meta_features, _DOCUMENTS, _RNG.random(30)),
    "pairs": partial(pair_meta_features, _PAIRS),
    "interactions": partial(interaction_meta_features, _INTERACTIONS),
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
