"""A study finds itself among prior studies, and no other one."""

from __future__ import annotations

import optuna

from optuna_meta import Prior
from optuna_meta.studies.own import own_names
from tests.toys import bowl
from tests.toys import run


def test_it_finds_itself_alone() -> None:
    storage = optuna.storages.InMemoryStorage()
    studies = [run(bowl(), 5, seed=0, storage=storage, study_name=name) for name in "ab"]
    prior = Prior.from_studies(studies)
    assert own_names(prior.tasks, studies[0], studies[0].trials) == ("a",)
    other = run(bowl(), 5, seed=3)
    assert own_names(prior.tasks, other, other.trials) == ()
