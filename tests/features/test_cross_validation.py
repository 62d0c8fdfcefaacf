from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
import sklearn.neighbors
from sklearn.neighbors import KNeighborsClassifier

from optuna_meta.features.cross_validation import learnable
from optuna_meta.features.cross_validation import NearestCentroid
from optuna_meta.features.cross_validation import probe


X, Y = load_iris(return_X_y=True)


@pytest.mark.parametrize("convert", [np.asarray, csr_matrix])
def test_the_nearest_centroid_is_that_of_sklearn(convert: type) -> None:
    ours = NearestCentroid()
    ours.fit(convert(X), Y)
    expected = sklearn.neighbors.NearestCentroid().fit(X, Y).predict(X)
    np.testing.assert_array_equal(ours.predict(convert(X)), expected)


def test_a_constant_column_is_no_cause_for_a_warning() -> None:
    learner = NearestCentroid()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.fit(np.zeros((4, 2)), np.array([0, 0, 1, 1]))
    assert set(learner.predict(np.ones((2, 2)))) <= {0, 1}


def test_scores_are_near_those_of_sklearns_cross_validation() -> None:
    learner = KNeighborsClassifier(1)
    score = probe(X, Y, {"one_nn": learner}, np.random.default_rng(0))["one_nn"]
    assert score == pytest.approx(cross_val_score(learner, X, Y, cv=3).mean(), abs=0.03)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e300])
def test_a_line_is_found_whatever_its_scale(scale: float) -> None:
    x = np.linspace(-1, 1, 60)[:, None]
    scores = probe(x, 2 * x[:, 0] * scale, {"ridge": Ridge(1e-6)}, np.random.default_rng(0))
    assert scores["ridge"] == pytest.approx(1.0, abs=1e-3)


def test_only_labels_of_which_there_are_enough_are_learnt() -> None:
    assert learnable(np.array([0, 0, 0, 1, 1, 1, 2, -1])).tolist() == [0, 1, 2, 3, 4, 5]
    assert learnable(np.array([0, 0, 0, 1])).tolist() == []
    assert learnable(np.array([1.0, np.nan, 2, 3, 4, 5, 6])).tolist() == [0, 2, 3, 4, 5, 6]
    assert learnable(np.array([1.0, 2.0])).tolist() == []
    assert learnable(np.full(9, -1)).tolist() == []
    assert probe(X[:3], np.array([0, 1, 2]), {}, np.random.default_rng(0)) == {}
