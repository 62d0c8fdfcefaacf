"""Studies that others finish while the target runs are prior studies from then on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
import pickle
from typing import Any

import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import run


def test_new_studies_are_found_and_the_target_is_none_of_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    run(bowl(), 5, storage=url, study_name="first")
    known = fit_prior(Prior.from_storage(url))
    read = partial(FittedPrior.refresh, storage=url)
    sampler = MetaSampler(prior_studies=known, seed=0, refresh=read, refresh_every=4)
    sampler = pickle.loads(pickle.dumps(sampler))
    study = run(bowl(), 4, sampler=sampler, storage=url, study_name="target")
    assert [p.study for p in sampler.explain(study).priors] == ["first"]
    run(bowl(), 5, seed=1, storage=url, study_name="second")
    study.optimize(bowl(), 1)
    assert {p.study for p in sampler.explain(study).priors} == {"first", "second"}


def test_an_unchanged_storage_changes_nothing() -> None:
    calls: list[FittedPrior] = []

    def read(known: FittedPrior) -> FittedPrior:
        calls.append(known)
        return FittedPrior(known.prior, known.parameters, known.gps)

    sampler = MetaSampler(prior_studies=bowl_prior(), seed=0, refresh=read, refresh_every=2)
    study = run(bowl(), 6, sampler=sampler)
    expected = run(bowl(), 6, sampler=MetaSampler(prior_studies=bowl_prior(), seed=0))
    assert [t.params for t in study.trials] == [t.params for t in expected.trials]
    assert len(calls) == 2 and all(known is bowl_prior() for known in calls)


@pytest.mark.plan_may_fail
@pytest.mark.parametrize("how", ["raises", "returns something else"])
def test_a_reading_that_fails_costs_nothing_and_is_told_once(how: str, logged: Any) -> None:
    def read(known: FittedPrior) -> Any:
        if how == "raises":
            raise ConnectionError("the storage is unreachable")
        return known.prior

    sampler = MetaSampler(prior_studies=bowl_prior(), seed=0, refresh=read, refresh_every=1)
    study = run(bowl(), 4, sampler=sampler)
    assert study.best_value < 0.1
    assert (
        len(logged.messages) == 1 and "Refreshing the prior studies failed" in logged.messages[0]
    )


def test_a_reading_every_zero_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="refresh_every must be at least 1 trial, got 0"):
        MetaSampler(refresh_every=0)
