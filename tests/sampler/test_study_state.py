from __future__ import annotations

import optuna
from optuna.distributions import FloatDistribution
from optuna.pruners import HyperbandPruner
from optuna.search_space import intersection_search_space
import pytest

from optuna_meta.sampler.history import History
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.space.search_space import Space
from tests.toys import meta_sampler


def test_the_common_space_follows_the_study() -> None:
    study, state = optuna.create_study(), StudyState()
    assert state.common_space(study.trials) == {}
    wide = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    for space in (wide, wide, {"x": FloatDistribution(0, 1)}, {"x": FloatDistribution(0, 2)}):
        study.tell(study.ask(space), 0.0)
        assert state.common_space(study.trials) == intersection_search_space(study.trials)
    running = study.ask({"z": FloatDistribution(0, 1)})
    assert state.names(study.trials) == {"x", "y", "z"} and running.number == 4


def test_a_study_made_anew_is_not_taken_for_the_old_one() -> None:
    """Storages give numbers and names again; the trials' starts tell them apart."""
    storage = optuna.storages.InMemoryStorage()
    sampler, state = optuna.samplers.RandomSampler(seed=0), StudyState()
    for names in ("xy", "xz"):
        study = optuna.create_study(storage=storage, study_name="same", sampler=sampler)
        space = {name: FloatDistribution(0, 1) for name in names}
        for _ in range(2):
            study.tell(study.ask(space), 0.0)
        trials = study.get_trials(deepcopy=False)
        assert set(state.common_space(trials)) == set(names)
        cube = Space.from_distributions({"x": space["x"]})
        assert state.read(trials).rows(cube)[:, 0].tolist() == [t.params["x"] for t in trials]
        optuna.delete_study(study_name="same", storage=storage)


def test_each_trial_is_read_once_also_by_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    """HyperbandPruner shows some of the trials to each trial's sampler, not all."""
    read: list[int] = []
    append = History.append

    def counted(self: History, trial: optuna.trial.FrozenTrial) -> None:
        read.append(trial.number)
        append(self, trial)

    monkeypatch.setattr(History, "append", counted)
    pruner = HyperbandPruner(max_resource=9, reduction_factor=3)
    study = optuna.create_study(sampler=meta_sampler(None), pruner=pruner)

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        for step in range(9):
            trial.report(x, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    study.optimize(objective, n_trials=20)
    assert len(read) == len(set(read)) > 10
