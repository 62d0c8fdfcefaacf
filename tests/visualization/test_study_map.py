"""Prior studies by similarity."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_meta.visualization import plot_study_map
from optuna_meta.visualization.study_map import distances_by_features
from optuna_meta.visualization.study_map import distances_by_trials
from optuna_meta.visualization.study_map import placed
from tests.toys import meta_sampler
from tests.visualization.studies import bowl_study


def test_points_of_the_plane_keep_their_distances() -> None:
    points = np.random.default_rng(0).normal(size=(6, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    found = placed(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), distances)


def test_one_and_two_points_have_places() -> None:
    assert placed(np.zeros((1, 1))).tolist() == [[0.0, 0.0]]
    two = placed(np.array([[0.0, 3.0], [3.0, 0.0]]))
    assert np.linalg.norm(two[0] - two[1]) == pytest.approx(3.0)


def test_equal_studies_are_in_one_place_and_reversed_ones_far() -> None:
    z = np.random.default_rng(0).normal(size=20)
    apart = distances_by_trials(np.column_stack([z, z, -z]), np.array([1.0, 1.0, -1.0]))
    np.testing.assert_allclose(apart[0], [0.0, 0.0, np.sqrt(2.0), 0.0], atol=1e-7)
    np.testing.assert_allclose(apart[2, 3], np.sqrt(2.0))


def test_meta_features_are_compared_by_rank_and_constant_ones_not_at_all() -> None:
    features = [{"n": 10.0, "c": 1.0}, {"n": 1000.0, "c": 1.0}, {"n": 1e9, "c": 1.0}]
    apart = distances_by_features(features)
    assert apart is not None
    assert apart[0, 1] == pytest.approx(apart[1, 2]) and apart[0, 2] > apart[0, 1]
    assert distances_by_features([{}, {"c": 1.0}]) is None


def test_the_figure_has_all_studies_and_the_target() -> None:
    pytest.importorskip("plotly")
    figure = plot_study_map(bowl_study())
    priors, own = figure.data
    assert list(priors.text) == [f"bowl {i}" for i in range(5)]
    assert None not in priors.x and list(own.text) == ["this study"] and own.x[0] is not None


def test_before_three_trials_the_target_has_no_place_and_without_priors_none_has() -> None:
    pytest.importorskip("plotly")
    study = optuna.create_study(sampler=bowl_study().sampler)
    priors, own = plot_study_map(study).data
    assert own.x[0] is None and None not in priors.x
    cold = optuna.create_study(sampler=meta_sampler(None))
    assert not plot_study_map(cold).data
