"""Where weights came from and what they gained."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest

from optuna_meta.sampler.weights_gain import lineage
from optuna_meta.sampler.weights_source import WEIGHTS_FROM_KEY
from optuna_meta.visualization import plot_weights_lineage
from tests.visualization.studies import recorded_study


def weights_from(*studies: str, share: float = 0.5) -> dict[str, Any]:
    sources = [{"study": name, "trial": 3, "sha256": "0", "weight": 1.0} for name in studies]
    return {WEIGHTS_FROM_KEY: {"sources": sources, "share": share}}


def own_training(share: float = 1.0) -> dict[str, Any]:
    """What a trial records whose model started from scratch's own short training."""
    report = {"sources": [], "n_sources": 0, "share": share, "made_by": "short training"}
    return {WEIGHTS_FROM_KEY: report}


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_gain_is_how_much_better_than_scratch_the_median_is(sign: float) -> None:
    attrs = [weights_from("digits"), {}, weights_from("digits"), {}, weights_from("noise")]
    trials = recorded_study(attrs).trials
    values = sign * np.array([1.0, 4.0, 3.0, 6.0, 9.0])
    gains = lineage(trials, values, sign).gains
    assert [g.source for g in gains] == ["digits", "from scratch", "noise"]
    assert [g.gain for g in gains] == [3.0, 0.0, -4.0]


def test_without_a_trial_from_scratch_no_gain_is_known() -> None:
    trials = recorded_study([weights_from("digits")]).trials
    (gain,) = lineage(trials, np.array([1.0]), 1.0).gains
    assert np.isnan(gain.gain)


def test_the_figure_names_sources_and_gains() -> None:
    pytest.importorskip("plotly")
    study = recorded_study([weights_from("digits"), {}], values=[0.25, 1.0])
    names = [trace.name for trace in plot_weights_lineage(study).data]
    assert names == ["digits (median 0.25, gained 0.75)", "from scratch (median 1)"]
    assert not plot_weights_lineage(optuna.create_study()).data
    own = recorded_study([own_training(), {}], values=[0.25, 1.0])
    drawn = plot_weights_lineage(own).data
    assert drawn[0].name == "a short training from scratch (median 0.25, gained 0.75)"
