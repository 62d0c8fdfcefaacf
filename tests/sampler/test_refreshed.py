"""Studies that others finish while the target runs are prior studies from then on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
import pickle
from typing import Any

import optuna
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.surrogate import base_fit
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


def test_of_the_others_only_new_ones_are_fitted_beside_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    for i in range(3):
        run(bowl(), 5, seed=i, storage=url, study_name=f"prior {i}")
    run(bowl(), 2, seed=9, storage=url, study_name="target")
    read = partial(FittedPrior.refresh, storage=url)
    prior, fitted = Prior.from_storage(url), list[int]()
    sampler = MetaSampler(prior_studies=prior, seed=0, refresh=read, refresh_every=4)
    study = optuna.load_study(study_name="target", storage=url, sampler=sampler)
    study.optimize(bowl(), 1)
    run(bowl(), 5, seed=4, storage=url, study_name="new")
    fit_prior_gps = base_fit.fit_prior_gps

    def counted(data: Any, *more: Any) -> Any:
        fitted.append(len(data.values))
        return fit_prior_gps(data, *more)

    monkeypatch.setattr(base_fit, "fit_prior_gps", counted)
    study.optimize(bowl(), 2)
    assert {p.study for p in sampler.explain(study).priors} == {f"prior {i}" for i in range(3)} | {
        "new"
    }
    assert fitted == [2, 1]  # Of all that was read: the new study and the target; of the others.


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
    failed = [message for message in logged.messages if "failed" in message]
    assert len(failed) == 1 and "Refreshing the prior studies failed" in failed[0]


def test_a_reading_every_zero_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="refresh_every must be at least 1 trial, got 0"):
        MetaSampler(refresh_every=0)
