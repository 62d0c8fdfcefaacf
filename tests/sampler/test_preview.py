"""What would be tried next, without spending a trial."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
import pytest

from optuna_meta import MetaSampler
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import grid
from tests.toys import grid_prior
from tests.toys import meta_sampler
from tests.toys import run


@pytest.mark.parametrize("n_before", [0, 4])
def test_the_first_one_is_the_next_suggestion(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    shown = study.sampler.preview(study, n=3)
    assert len(study.trials) == n_before and len(shown) == 3
    assert len({repr(sorted(s.params.items())) for s in shown}) == 3
    study.optimize(bowl(), n_trials=1)
    assert study.trials[-1].params == shown[0].params


@pytest.mark.parametrize("n_before", [0, 12])
def test_all_are_what_is_suggested_before_any_has_ended(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    for shown in study.sampler.preview(study, n=3):
        trial = study.ask()
        bowl()(trial)
        assert trial.params == shown.params


def test_a_preview_says_from_which_studies_and_how_good() -> None:
    study = optuna.create_study()
    for shown in meta_sampler(bowl_prior()).preview(study):
        assert shown.source == "prior studies" and shown.priors[0].share > 0.0
        assert shown.beats is not None and shown.beats > 0.8
        told = f"{shown.beats:.0%} of a prior study's own trials"
        assert f"by the prior studies alone, taken together: better than {told}" in str(shown)


def test_what_the_prior_studies_expect_is_told_where_they_have_a_say_alone() -> None:
    study = run(bowl(0.9, sign=-1.0), 12, sampler=meta_sampler(bowl_prior()))
    (shown,) = study.sampler.preview(study, n=1)
    assert shown.source == "cold start" and shown.priors and shown.beats is None
    assert shown.leaders == () and "leaned_on=None" in repr(shown)


def test_the_share_is_that_of_the_trials_of_a_prior_study() -> None:
    """Among its own trials, the single prior study's best has all but itself behind it."""
    prior = run(bowl(), 40, seed=1)
    study = optuna.create_study(sampler=MetaSampler(prior_studies=[prior], seed=0))
    for trial in (prior.best_trial, sorted(prior.trials, key=lambda t: t.value or 0.0)[20]):
        study.enqueue_trial(trial.params)
        (shown,) = study.sampler.preview(study, n=1)
        worse = np.mean([other.value > trial.value for other in prior.trials])
        assert shown.beats == pytest.approx(worse, abs=0.2)
        study.ask()


def test_a_space_that_no_study_has_yet() -> None:
    space = {"rate": FloatDistribution(1e-3, 1e-2, log=True)}
    for shown in meta_sampler(bowl_prior()).preview(space, n=2):
        assert 1e-3 <= shown.params["rate"] <= 1e-2


def test_candidates_are_previewed_once_each() -> None:
    rows = [{"depth": d, "kind": "a"} for d in range(3)]
    sampler = meta_sampler(grid_prior(), candidates=rows)
    study = run(grid(), 1, sampler=sampler)
    shown = [s.params for s in sampler.preview(study, n=2)]
    tried = study.trials[0].params
    assert sorted(p["depth"] for p in [*shown, tried]) == [0, 1, 2]


def test_without_prior_studies_there_is_nothing_foreseen() -> None:
    (shown,) = MetaSampler(seed=0).preview(optuna.create_study(), n=1)
    assert shown.params == {} and shown.source == "cold start"
