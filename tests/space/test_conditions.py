from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optuna_meta._typing import Array
from optuna_meta.space.conditions import apply_conditions
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import learn_conditions
from optuna_meta.space.conditions import obeyed
from optuna_meta.space.conditions import parents_first
from optuna_meta.space.conditions import translated
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space


SPACE = Space(
    (
        Dimension("activation", choices=("relu", "tanh")),
        Dimension("beta"),
        Dimension("lr", 1e-5, 1.0, log=True),
        Dimension("momentum"),
        Dimension("nesterov_start"),
        Dimension("n_layers", 1, 4, step=1.0, integer=True),
        Dimension("optimizer", choices=("adam", "sgd", "rmsprop")),
        Dimension("schedule", choices=("none", "nesterov")),
        *(Dimension(f"units_{i}", 8, 256, step=1.0, integer=True) for i in (1, 2, 3, 4)),
    )
)
Draw = Callable[[np.random.Generator], dict[str, Any]]


def network(rng: np.random.Generator) -> dict[str, Any]:
    """A configuration of nested conditions."""
    params: dict[str, Any] = {
        "activation": str(rng.choice(["relu", "tanh"])),
        "lr": float(10 ** rng.uniform(-5, 0)),
        "optimizer": str(rng.choice(["adam", "sgd", "rmsprop"])),
        "n_layers": int(rng.integers(1, 5)),
    }
    if params["optimizer"] == "adam":
        params["beta"] = float(rng.random())
    if params["optimizer"] == "sgd":
        params["momentum"] = float(rng.random())
        params["schedule"] = str(rng.choice(["none", "nesterov"]))
        if params["schedule"] == "nesterov":
            params["nesterov_start"] = float(rng.random())
    for i in range(1, params["n_layers"] + 1):
        params[f"units_{i}"] = int(rng.integers(8, 257))
    return params


def study(n: int, seed: int, draw: Draw = network, space: Space = SPACE) -> Array:
    rng = np.random.default_rng(seed)
    return space.rows([draw(rng) for _ in range(n)])


def pairs(conditions: tuple[Condition, ...], space: Space = SPACE) -> dict[str, str]:
    return {space.names[c.child]: space.names[c.parent] for c in conditions}


PARENTS = {
    "beta": "optimizer",
    "momentum": "optimizer",
    "schedule": "optimizer",
    "nesterov_start": "schedule",
    "units_2": "n_layers",
    "units_3": "n_layers",
    "units_4": "n_layers",
}


@pytest.mark.parametrize("seed", range(5))
def test_nested_and_integer_parents_are_found(seed: int) -> None:
    conditions = learn_conditions([study(30, seed), study(30, seed + 100)], SPACE)
    assert pairs(conditions) == PARENTS
    by_child = {SPACE.names[c.child]: c for c in conditions}
    assert by_child["momentum"].active == (False, True, False)
    assert by_child["units_3"].active == (False, False, True, True)


@pytest.mark.parametrize("seed", range(5))
def test_conditions_agree_with_trials_that_they_have_not_seen(seed: int) -> None:
    conditions = learn_conditions([study(60, seed)], SPACE)
    rows = study(200, seed + 1000)
    full = np.where(np.isnan(rows), 0.0, rows)
    np.testing.assert_array_equal(np.isnan(apply_conditions(full, conditions)), np.isnan(rows))
    np.testing.assert_array_equal(apply_conditions(rows, conditions), rows)


def test_parents_come_before_their_children() -> None:
    conditions = learn_conditions([study(60, 0)], SPACE)
    for i, condition in enumerate(conditions):
        assert condition.parent not in {later.child for later in conditions[i:]}


def test_an_inactive_parent_makes_its_children_inactive() -> None:
    conditions = learn_conditions([study(60, 0)], SPACE)
    row = np.where(np.isnan(study(1, 1)), 0.0, study(1, 1))
    row[0, SPACE.index("optimizer")] = 0  # adam: no schedule, hence no start either.
    row[0, SPACE.index("schedule")] = 1
    assert "nesterov_start" not in SPACE.params(apply_conditions(row, conditions)[0])


@pytest.mark.parametrize("seed", range(20))
def test_parameters_missing_at_random_have_no_parent(seed: int) -> None:
    def draw(rng: np.random.Generator) -> dict[str, Any]:
        params = {
            "activation": str(rng.choice(["relu", "tanh"])),
            "n_layers": int(rng.integers(1, 5)),
            "lr": float(10 ** rng.uniform(-5, 0)),
        }
        return params | ({"beta": 0.5} if rng.random() < 0.5 else {})

    assert learn_conditions([study(30, seed, draw)], SPACE) == ()


def test_too_few_trials_prove_nothing() -> None:
    # Two trials, one without ``beta``: any parameter that differs between them would explain it.
    few = SPACE.rows([{"activation": "relu", "beta": 0.1}, {"activation": "tanh"}])
    assert learn_conditions([few], SPACE) == ()
    assert pairs(learn_conditions([np.repeat(few, 4, axis=0)], SPACE)) == {"beta": "activation"}


def test_one_exception_refutes_a_condition() -> None:
    rows = study(60, 0)
    exception = study(1, 1)
    exception[0, SPACE.index("optimizer")] = 0.0
    exception[0, SPACE.index("momentum")] = 0.5
    assert "momentum" not in pairs(learn_conditions([np.vstack([rows, exception])], SPACE))


def test_a_parameter_that_is_always_there_is_unconditional() -> None:
    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {"optimizer": str(rng.choice(["adam", "sgd"])), "momentum": 0.5}

    assert learn_conditions([study(30, 0, draw)], SPACE) == ()


def test_a_study_speaks_only_of_what_it_tuned() -> None:
    def without_parent(rng: np.random.Generator) -> dict[str, Any]:
        return {"lr": 0.1, "momentum": float(rng.random())}

    def without_child(rng: np.random.Generator) -> dict[str, Any]:
        return {"lr": 0.1, "optimizer": str(rng.choice(["adam", "sgd"]))}

    others = [study(30, 1, without_parent), study(30, 2, without_child)]
    assert pairs(learn_conditions([study(60, 0), *others], SPACE)) == PARENTS


def test_nothing_is_learned_from_nothing() -> None:
    assert learn_conditions([], SPACE) == ()
    assert learn_conditions([np.zeros((0, len(SPACE.dimensions)))], SPACE) == ()
    assert learn_conditions([np.zeros((3, 0))], Space()) == ()


def test_a_number_follows_the_nearest_seen_one_and_a_choice_only_itself() -> None:
    cells = np.array([0.0, 0.4, 0.6, 1.3, np.nan])
    layers = Condition(1, 0, (0.0, 1.0), (False, True))
    assert layers.holds(cells).tolist() == [False, False, True, True, False]
    choice = Condition(1, 0, (0.0, 2.0), (True, False), ordered=False)
    asked = np.array([0.0, 1.0, 2.0, -1.0, np.nan])
    assert choice.holds(asked).tolist() == [True, False, False, False, False]


def test_circles_are_dropped() -> None:
    def on(child: int, parent: int) -> Condition:
        return Condition(child, parent, (0.0,), (True,))

    assert parents_first([on(1, 2), on(2, 1), on(3, 1)]) == ()
    ordered = parents_first([on(3, 2), on(2, 1), on(5, 6), on(6, 5), on(1, 0)])
    assert [c.child for c in ordered] == [1, 2, 3]


def test_conditions_leave_their_rows_alone() -> None:
    rows = np.array([[0.0, 0.5]])
    assert np.isnan(apply_conditions(rows, [Condition(1, 0, (0.0,), (False,))])[0, 1])
    assert rows.tolist() == [[0.0, 0.5]]


def test_conditions_are_translated_by_name_and_value() -> None:
    target = Space(
        (
            Dimension("momentum"),
            Dimension("n_layers", 0, 9, step=1.0, integer=True),
            Dimension("optimizer", choices=("new", "sgd", "adam")),
            Dimension("units_3"),
        )
    )
    conditions = translated(learn_conditions([study(60, 0)], SPACE), SPACE, target)
    by_child = {target.names[c.child]: c for c in conditions}
    assert set(by_child) == {"momentum", "units_3"}
    assert by_child["momentum"].holds(np.array([0.0, 1.0, 2.0])).tolist() == [False, True, False]
    layers = target.dimensions[1].encode([0, 2, 3, 9])
    assert by_child["units_3"].holds(layers).tolist() == [False, False, True, True]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("choices", [(4, 1, 2, 8), tuple(range(1, 41))], ids=["few", "many"])
def test_one_number_of_a_list_can_be_a_condition(seed: int, choices: tuple[int, ...]) -> None:
    space = Space((Dimension.choosing("a", choices), Dimension("b")))

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        a = int(rng.choice([*choices, *[4] * len(choices)]))
        return {"a": a} | ({"b": float(rng.random())} if a == 4 else {})

    rows = study(60, seed, draw, space)
    assert pairs(learn_conditions([rows], space), space) == {"b": "a"}


def test_conditions_on_numbers_hold_wherever_these_are_listed() -> None:
    lists = [(4, 1, 2, 8), (0, 8.0, 3.5, 4.0, 1.0), (16, 4)]
    source, *targets = (Space((Dimension.choosing("a", c), Dimension("b"))) for c in lists)
    condition = Condition(1, 0, tuple(source.dimensions[0].ladder), (False, False, True, False))
    for target in targets:
        (found,) = translated([condition], source, target)
        numbers = target.dimensions[0].numbers(target.dimensions[0].ladder)
        expected = [n in (3.5, 4.0) for n in numbers.round(9)]
        assert found.holds(target.dimensions[0].ladder).tolist() == expected


def test_a_number_below_a_lists_range_is_not_an_unknown_choice() -> None:
    """Its cell, a range below, is the one that unknown choices have."""
    source = Space((Dimension.choosing("a", (0, 1, 2)), Dimension("b")))
    target = Space((Dimension.choosing("a", (1, 2)), Dimension("b")))
    condition = Condition(1, 0, tuple(source.dimensions[0].encode([0, 2])), (True, False))
    (found,) = translated([condition], source, target)
    assert found.holds(target.dimensions[0].encode([1, 2])).tolist() == [True, False]


def test_a_contradiction_is_noticed() -> None:
    rows = study(60, 0)
    conditions = learn_conditions([rows], SPACE)
    assert all(obeyed(condition, rows) for condition in conditions)
    full = np.where(np.isnan(rows), 0.0, rows)
    assert not any(obeyed(condition, full) for condition in conditions)
