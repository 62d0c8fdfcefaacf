"""The twins in Matplotlib show the same data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import optuna
import pytest

from optuna_meta.replay.saving import Saving
from optuna_meta.visualization.matplotlib import axes as axes_module
from optuna_meta.visualization.matplotlib import is_available
from optuna_meta.visualization.matplotlib import plot_transfer_history
from optuna_meta.visualization.matplotlib import plot_trust
from optuna_meta.visualization.matplotlib.axes import new_axes
from tests.visualization.studies import bowl_study
from tests.visualization.studies import telling_study


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    """Figures are drawn in memory, and closed."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_trust_has_a_line_for_each_and_marks() -> None:
    axes = plot_trust(telling_study())
    trust, helpful, weird, agreement, drop = axes.get_lines()
    assert str(agreement.get_label()).startswith("agreement")
    np.testing.assert_allclose(trust.get_ydata(), 0.9 - 0.1 * np.arange(8))
    np.testing.assert_allclose(helpful.get_ydata(), 0.5)
    assert (np.asarray(weird.get_ydata()) < 0.0).all() and drop.get_xdata()[0] == 4
    axes.figure.canvas.draw()  # Names are no formulas.


def test_history_has_the_study_its_priors_and_the_cold_start() -> None:
    saving = Saving(4, 0.1, np.array([3.0]), 3, courses=np.array([[1.0, 0.5, 0.1]]))
    axes = plot_transfer_history(bowl_study(), saving=saving)
    labels = [line.get_label() for line in axes.get_lines()]
    assert len(labels) == 7 and labels[-2:] == ["cold start (estimate)", "this study"]
    assert len(axes.get_lines()[-1].get_xdata()) == 10


def test_empty_figures_say_why() -> None:
    study = optuna.create_study()
    assert "MetaSampler" in plot_trust(study).texts[0].get_text()
    assert "No complete trial" in plot_transfer_history(study).texts[0].get_text()


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_available()
    monkeypatch.setattr(axes_module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'optuna-meta\[plots\]'"):
        new_axes("", "", "")
