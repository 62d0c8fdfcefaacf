"""What a reader asks of a report, answered as the records say, on three seeds."""

from __future__ import annotations

from functools import cache

import optuna
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import read_record
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Markdown
from optuna_meta.reporting.wording import study_text
from optuna_meta.sampler.shown import REVERSED
from tests.reporting.scene import prior_studies
from tests.toys import bowl


@cache
def fitted() -> FittedPrior:
    """Two studies that are relevant and three that mislead."""
    return fit_prior(Prior.from_studies(prior_studies(optuna.storages.InMemoryStorage())))


@pytest.mark.parametrize("seed", range(3))
def test_a_report_answers_what_helped_what_was_left_and_what_is_reversed(seed: int) -> None:
    study = optuna.create_study(sampler=MetaSampler(prior_studies=fitted(), seed=seed))
    study.optimize(bowl(), n_trials=12)
    summary = summarise(study)
    assert {prior.name for prior in summary.priors[:2]} == {"cousin", "twin"}
    assert [prior.name for prior in summary.priors if prior.order == REVERSED] == ["upside down"]
    text = study_text(summary, Markdown())
    first, second = (f"`{prior.name}`" for prior in summary.priors[:2])
    assert f"Most help came from {first} and {second} alike" in text
    assert "In reverse order to this study: `upside down`." in text
    told = {
        event: trial.number
        for trial in study.trials
        if (record := read_record(trial))
        for event in record.events
    }
    gone = {name: told[f"dropped: {name}"] for name in ("noise", "elsewhere")}
    for name, trial in gone.items():
        if told.get(f"back: {name}", -1) < trial:
            assert f"dropped at trial {trial} (trust " in text
    assert "dropped at trial" in text
