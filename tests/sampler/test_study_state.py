from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.search_space import intersection_search_space
import pytest

from optuna_meta.outcomes.observations import key_of
from optuna_meta.sampler.study_state import Memory
from optuna_meta.space.search_space import Space
from tests.toys import bowl
from tests.toys import run


def test_rows_are_those_of_the_space_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    study = run(bowl(), 6)
    space = Space.from_distributions(study.trials[0].distributions)
    params = [trial.params for trial in study.trials]
    expected = space.rows(params)
    memory, encoded = Memory(), []
    original = Space.rows

    def rows(self: Space, configurations: Any) -> Any:
        encoded.extend(configurations)
        return original(self, configurations)

    monkeypatch.setattr(Space, "rows", rows)
    np.testing.assert_array_equal(memory.rows(space, range(4), params[:4]), expected[:4])
    again = memory.rows(space, [5, 0, 2], [params[i] for i in (5, 0, 2)])
    np.testing.assert_array_equal(again, expected[[5, 0, 2]])
    assert encoded == [*params[:4], params[5]]


def test_spaces_do_not_mix_and_the_oldest_is_forgotten() -> None:
    memory = Memory()
    spaces = [Space.from_distributions({"x": FloatDistribution(0, high)}) for high in range(1, 9)]
    for high, space in enumerate(spaces, start=1):
        assert memory.rows(space, [0], [{"x": 1.0}])[0, 0] == pytest.approx(1.0 / high)
    assert len(memory._rows) == 4
    assert memory.rows(spaces[0], [], []).shape == (0, 1)


def test_the_common_space_follows_the_study() -> None:
    study, memory = optuna.create_study(), Memory()
    assert memory.common_space(study.trials) == {}
    wide = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    for space in (wide, wide, {"x": FloatDistribution(0, 1)}):
        study.tell(study.ask(space), 0.0)
        assert memory.common_space(study.trials) == intersection_search_space(study.trials)


def test_a_study_made_anew_is_not_taken_for_the_old_one() -> None:
    """Storages give numbers and names again; the trials' starts tell them apart."""
    storage = optuna.storages.InMemoryStorage()
    sampler, memory = optuna.samplers.RandomSampler(seed=0), Memory()
    for names in ("xy", "xz"):
        study = optuna.create_study(storage=storage, study_name="same", sampler=sampler)
        space = {name: FloatDistribution(0, 1) for name in names}
        for _ in range(2):
            study.tell(study.ask(space), 0.0)
        trials = study.get_trials(deepcopy=False)
        assert set(memory.common_space(trials)) == set(names)
        cube, params = Space.from_distributions({"x": space["x"]}), [t.params for t in trials]
        rows = memory.rows(cube, [key_of(t) for t in trials], params)
        np.testing.assert_array_equal(rows, cube.rows(params))
        optuna.delete_study(study_name="same", storage=storage)
