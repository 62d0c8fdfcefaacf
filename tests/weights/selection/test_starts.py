from __future__ import annotations

import optuna
import pytest
import torch

from optuna_meta import MetaSampler
from optuna_meta.weights import check_starts
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import STARTS
from optuna_meta.weights import suggest_start


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"a": torch.tensor(value)})


def test_each_role_gives_its_checkpoint_and_loads_no_other() -> None:
    loaded = []

    def load() -> Checkpoint:
        loaded.append(1)
        return checkpoint(2.0)

    starts = {"nearest": load, "best": checkpoint(1.0), "average": None}
    found = {}
    study = optuna.create_study()
    for role in ("scratch", "best", "nearest", "average"):
        study.enqueue_trial({"start": role})
        trial = study.ask()
        found[role] = suggest_start(trial, starts)
        assert len(loaded) == (role in ("nearest", "average"))
        (distribution,) = trial.distributions.values()
        assert distribution.choices == ("scratch", "best", "nearest", "average")  # As in STARTS.
    assert found["scratch"] is None and found["average"] is None
    assert found["best"] is starts["best"]
    assert found["nearest"] is not None and found["nearest"].state["a"] == 2.0


def test_only_roles_that_mean_the_same_everywhere() -> None:
    trial = optuna.create_study().ask()
    with pytest.raises(ValueError, match="scratch, best, .* got 'trial 12'. Name each by how"):
        suggest_start(trial, {"trial 12": checkpoint(1.0)})
    assert not trial.params  # Refused before anything was suggested.
    assert suggest_start(trial, {"scratch": None}) is None


def test_starts_can_be_checked_before_any_trial() -> None:
    check_starts({"best": checkpoint(1.0), "average": None, "meta-learned": lambda: None})
    with pytest.raises(ValueError, match=r"got 'meta_learned' \(did you mean 'meta-learned'\?\)"):
        check_starts({"best": None, "meta_learned": checkpoint(1.0)})
    with pytest.raises(ValueError, match="'best' must be a checkpoint, .* None, got int"):
        check_starts({"best": 3})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="Wanted are starts by name, .* got Checkpoint"):
        check_starts(checkpoint(1.0))  # type: ignore[arg-type]


def test_the_sampler_learns_across_studies_which_role_pays() -> None:
    """Prior studies had other sets of roles; ``nearest`` was best in all of them."""
    paid = dict(zip(STARTS, [0.5, 0.4, 0.0, 0.3, 0.6, 0.7], strict=True))

    def objective(trial: optuna.Trial, roles: list[str]) -> float:
        suggest_start(trial, dict.fromkeys(roles))
        rate = trial.suggest_float("rate", 0.0, 1.0)
        return paid[trial.params["start"]] + 0.1 * (rate - 0.5) ** 2

    priors = []
    for seed, roles in enumerate([["best", "nearest"], ["nearest", "average"], list(STARTS)]):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        study.optimize(lambda trial, roles=roles: objective(trial, roles), n_trials=20)
        priors.append(study)
    sampler = MetaSampler(prior_studies=priors, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: objective(trial, ["best", "nearest", "transferable"]), n_trials=4)
    assert study.trials[0].params["start"] == "nearest"
    assert sum(trial.params["start"] == "nearest" for trial in study.trials) >= 2
