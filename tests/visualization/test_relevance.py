"""Which meta-features matter."""

from __future__ import annotations

import pytest

from optuna_meta.visualization import plot_relevance
from optuna_meta.visualization.relevance import mean_relevance
from tests.visualization.studies import bowl_study


def test_shares_are_means_over_objectives_largest_first() -> None:
    found = mean_relevance([{"n": 0.2, "d": 0.8}, {"n": 1.0}])
    assert found == {"n": 0.6, "d": 0.4} and list(found) == ["n", "d"]
    assert mean_relevance([]) == {}


def test_without_meta_features_the_figure_says_so() -> None:
    pytest.importorskip("plotly")
    figure = plot_relevance(bowl_study())
    assert not figure.data and "all weigh the same" in figure.layout.annotations[0].text
