from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import copy
import sys
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.search_space import intersection_search_space
import pytest

from optuna_meta.outcomes.observations import key_of
from optuna_meta.sampler.study_state import BoundedMap
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.space.search_space import Space
from tests.toys import bowl
from tests.toys import run


def test_rows_are_those_of_the_space_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    study = run(bowl(), 6)
    space = Space.from_distributions(study.trials[0].distributions)
    params = [trial.params for trial in study.trials]
    expected = space.rows(params)
    state, encoded = StudyState(), []
    original = Space.rows

    def rows(self: Space, configurations: Any) -> Any:
        encoded.extend(configurations)
        return original(self, configurations)

    monkeypatch.setattr(Space, "rows", rows)
    np.testing.assert_array_equal(state.rows(space, range(4), params[:4]), expected[:4])
    again = state.rows(space, [5, 0, 2], [params[i] for i in (5, 0, 2)])
    np.testing.assert_array_equal(again, expected[[5, 0, 2]])
    assert encoded == [*params[:4], params[5]]


def test_spaces_do_not_mix_and_the_oldest_is_forgotten() -> None:
    state = StudyState()
    spaces = [Space.from_distributions({"x": FloatDistribution(0, high)}) for high in range(1, 9)]
    for high, space in enumerate(spaces, start=1):
        assert state.rows(space, [0], [{"x": 1.0}])[0, 0] == pytest.approx(1.0 / high)
    assert len(state._rows) == 4
    assert state.rows(spaces[0], [], []).shape == (0, 1)


def test_the_common_space_follows_the_study() -> None:
    study, state = optuna.create_study(), StudyState()
    assert state.common_space(study.trials) == {}
    wide = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    for space in (wide, wide, {"x": FloatDistribution(0, 1)}):
        study.tell(study.ask(space), 0.0)
        assert state.common_space(study.trials) == intersection_search_space(study.trials)


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
        cube, params = Space.from_distributions({"x": space["x"]}), [t.params for t in trials]
        rows = state.rows(cube, [key_of(t) for t in trials], params)
        np.testing.assert_array_equal(rows, cube.rows(params))
        optuna.delete_study(study_name="same", storage=storage)


def test_the_least_recently_used_entry_is_forgotten() -> None:
    kept: BoundedMap[str, int] = BoundedMap(2)
    kept["a"], kept["b"] = 1, 2
    assert kept["a"] == 1
    kept["c"] = 3
    assert dict(kept.data) == {"a": 1, "c": 3}
    assert copy.copy(kept).data == kept.data and "b" not in kept and kept.get("b") is None
    kept["a"] = 4
    kept["d"] = 5
    assert dict(kept.data) == {"a": 4, "d": 5}


def test_threads_get_the_same_entry() -> None:
    kept: BoundedMap[int, object] = BoundedMap(3)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            entries = [
                e for _ in range(200) for e in pool.map(lambda _: kept.made(0, object), "x" * 8)
            ]
    finally:
        sys.setswitchinterval(before)
    assert len({id(entry) for entry in entries}) == 1
