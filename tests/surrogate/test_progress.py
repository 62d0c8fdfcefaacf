"""Progress of fitting is shown on a terminal, once it takes long."""

from __future__ import annotations

import io

import optuna
import pytest

from optuna_meta import fit_prior
from optuna_meta import Prior


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "seconds", "shown"),
    [(Terminal(), 0.0, True), (Terminal(), 60.0, False), (io.StringIO(), 0.0, False)],
)
def test_a_bar_is_shown_on_a_terminal_where_fitting_takes_long(
    stream: io.StringIO, seconds: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    prior = Prior.from_studies([study])
    monkeypatch.setattr("optuna_meta.surrogate.base_fit._SILENT_SECONDS", seconds)
    monkeypatch.setattr("sys.stderr", stream)
    fit_prior(prior)
    assert ("Fitting prior studies" in stream.getvalue()) == shown
