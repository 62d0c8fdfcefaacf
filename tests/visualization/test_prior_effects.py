"""What prior studies expect of each parameter."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_meta.visualization import plot_prior_effects
from optuna_meta.visualization.prior_effects import parameter_effect
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import svm_prior
from tests.visualization.studies import bowl_study


def test_the_effect_of_a_parameter_is_lowest_where_prior_studies_had_their_best() -> None:
    fitted = bowl_prior()
    others = np.vstack([task.rows for task in fitted.prior.tasks])
    width = parameter_effect(fitted, fitted.space, fitted.space.index("width"), others)
    assert width.expected.shape == (21, 5) and not width.is_log
    best = np.array(width.values)[width.expected.mean(axis=1).argmin()]
    assert best == pytest.approx(0.6, abs=0.2)
    kind = parameter_effect(fitted, fitted.space, fitted.space.index("kind"), others)
    assert kind.values == ("a", "b", "c") and kind.expected.mean(axis=1).argmin() == 0


def test_a_conditional_parameter_is_varied_where_it_exists() -> None:
    fitted = svm_prior()
    others = np.vstack([task.rows for task in fitted.prior.tasks])
    column = fitted.space.index("gamma")
    active = others[~np.isnan(others[:, column])]
    effect = parameter_effect(fitted, fitted.space, column, others)
    same = parameter_effect(fitted, fitted.space, column, active)
    np.testing.assert_allclose(effect.expected, same.expected)
    assert effect.is_log


def test_the_figure_has_a_panel_for_each_parameter() -> None:
    pytest.importorskip("plotly")
    figure = plot_prior_effects(bowl_study())
    titles = [figure.layout[f"xaxis{k}"].title.text for k in ("", 2, 3)]
    assert titles == ["kind", "rate", "width"] and figure.layout.xaxis2.type == "log"
    assert len(figure.data) == 3 * 6 and len(figure.data[-1].x) == 10


def test_parameters_can_be_chosen_and_must_exist() -> None:
    pytest.importorskip("plotly")
    assert len(plot_prior_effects(bowl_study(), params=["rate"]).data) == 6
    with pytest.raises(ValueError, match="no parameter 'depth': it has kind, rate, width"):
        plot_prior_effects(bowl_study(), params=["depth"])


def test_without_prior_studies_the_figure_says_so() -> None:
    pytest.importorskip("plotly")
    assert not plot_prior_effects(optuna.create_study(sampler=meta_sampler(None))).data
