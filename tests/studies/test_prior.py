from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
import pytest

import optuna_meta
from optuna_meta._files import write_arrays
from optuna_meta.features import META_FEATURES_KEY
from optuna_meta.features import record_meta_features
from optuna_meta.outcomes.observations import fingerprint_of
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


X = FloatDistribution(0, 1)
Params = Mapping[str, tuple[Any, BaseDistribution]]


def study_of(
    trials: Sequence[tuple[Params, float | None]], name: str = "study", direction: str = "minimize"
) -> optuna.Study:
    """A study of trials: parameters with distributions, and a value or ``None`` for failure."""
    study = optuna.create_study(study_name=name, direction=direction)
    for params, value in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                value=value,
                params={n: v for n, (v, _) in params.items()},
                distributions={n: d for n, (_, d) in params.items()},
            )
        )
    return study


def line(name: str = "line", n: int = 3) -> optuna.Study:
    return study_of([({"x": (i / n, X)}, float(i)) for i in range(n)], name)


def params_of(prior: Prior, i: int = 0) -> list[dict[str, Any]]:
    return [prior.space.params(row) for row in prior.tasks[i].rows]


def range_of(prior: Prior, name: str) -> BaseDistribution:
    return prior.space.dimensions[prior.space.index(name)].distribution()


# --- Studies that cannot serve


def broken_study() -> optuna.Study:
    study = line("bad")
    trials = study.get_trials(deepcopy=False)
    trials[0].distributions["x"].low = math.nan  # type: ignore[attr-defined]
    trials[0].distributions["x"] = FloatDistribution(0, 1)
    trials[0].distributions["x"].high = -1.0  # type: ignore[attr-defined]
    return study


def pruned_without_values() -> optuna.Study:
    study = optuna.create_study(study_name="bad")
    study.add_trial(optuna.trial.create_trial(state=TrialState.PRUNED))
    return study


USELESS = {
    "no finished trial": lambda: study_of([], "bad"),
    "no finished trial with a value": lambda: study_of([({"x": (0.1, X)}, None)] * 3, "bad"),
    "it has no finished trial": pruned_without_values,
    r"usable trials \(3\) have one value, 2": lambda: study_of(
        [({"x": (0.1, X)}, 2.0)] * 3, "bad"
    ),
    r"usable trials \(1\) have one value, 2": lambda: study_of([({"x": (0.1, X)}, 2.0)], "bad"),
    r"usable trials \(2\) have one": lambda: study_of([({"x": (0.1, X)}, math.inf)] * 2, "bad"),
    "trials have no parameters": lambda: study_of([({}, 1.0), ({}, 2.0)], "bad"),
    "it has no finished trial with": lambda: optuna.create_study(
        study_name="bad", directions=["minimize", "maximize"]
    ),
    "reading it failed: .*finite bounds": broken_study,
}


@pytest.mark.parametrize("reason", USELESS)
def test_a_useless_study_is_left_out_with_one_warning(reason: str) -> None:
    bad = USELESS[reason]()
    bad.set_user_attr(META_FEATURES_KEY, "malformed, but that does not matter any more")
    with pytest.warns(UserWarning, match=f"^Prior study 'bad' is left out: .*{reason}") as caught:
        prior = Prior.from_studies([line("a"), bad, line("b")])
    assert len(caught) == 1 and prior.names == ("a", "b")
    with pytest.warns(UserWarning, match="'bad' is left out"):
        assert len(Prior.from_studies([bad])) == 0


def test_each_useless_study_has_its_own_warning() -> None:
    with pytest.warns(UserWarning) as caught:
        Prior.from_studies([study_of([], name) for name in "abc"])
    assert [str(w.message)[:15] for w in caught] == [f"Prior study '{n}'" for n in "abc"]


def test_no_studies_are_a_prior_too() -> None:
    prior = Prior.from_studies([])
    assert len(prior) == 0 and prior.space == Space() and prior.names == ()


def test_studies_of_one_name_are_told_apart() -> None:
    prior = Prior.from_studies([line("a"), line("a", 4), line("a (2)"), line("a")])
    assert prior.names == ("a", "a (2)", "a (2) (2)", "a (3)")


# --- Values


def test_values_are_flipped_by_each_studys_own_direction() -> None:
    trials = [({"x": (i / 4, X)}, float(i)) for i in range(4)]
    up, down = study_of(trials, "up", "maximize"), study_of(trials, "down")
    prior = Prior.from_studies([up, down])
    assert [t.values.tolist() for t in prior.tasks] == [[0, -1, -2, -3], [0, 1, 2, 3]]


def test_failed_and_infinite_trials_do_no_harm() -> None:
    values = [1.0, None, math.inf, 2.0, -math.inf]
    study = study_of([({"x": (0.1 * i, X)}, v) for i, v in enumerate(values)])
    prior = Prior.from_studies([study])
    assert prior.tasks[0].values.tolist() == [1.0, 2.0, 2.0, 2.0]
    assert [p["x"] for p in params_of(prior)] == pytest.approx([0.0, 0.2, 0.3, 0.4])


# --- Spaces


def test_one_cube_holds_all_studies() -> None:
    a = study_of(
        [
            ({"lr": (0.1, FloatDistribution(0.01, 1.0)), "n": (3, IntDistribution(1, 3))}, 1.0),
            ({"lr": (0.2, FloatDistribution(0.01, 1.0)), "n": (1, IntDistribution(1, 3))}, 2.0),
        ]
    )
    wide, kinds = FloatDistribution(1e-4, 0.1, log=True), CategoricalDistribution(["a", "b"])
    b = study_of([({"lr": (v, wide), "k": ("b", kinds)}, v) for v in (1e-3, 1e-2)])
    prior = Prior.from_studies([a, b])
    assert range_of(prior, "lr") == FloatDistribution(1e-4, 1.0, log=True)
    assert prior.space.names == ("k", "lr", "n")
    assert params_of(prior, 0) == [
        {"lr": pytest.approx(0.1), "n": 3},
        {"lr": pytest.approx(0.2), "n": 1},
    ]
    assert params_of(prior, 1)[0] == {"k": "b", "lr": pytest.approx(1e-3)}
    assert [t.tuned.tolist() for t in prior.tasks] == [[False, True, True], [True, True, False]]


def test_ranges_that_drift_within_a_study_are_united() -> None:
    ranges = [FloatDistribution(0, high) for high in (1.0, 2.0, 2.0, 5.0)]
    prior = Prior.from_studies([study_of([({"x": (d.high, d)}, d.high) for d in ranges])])
    assert range_of(prior, "x") == FloatDistribution(0, 5)
    assert prior.tasks[0].rows[:, 0].tolist() == [0.2, 0.4, 0.4, 1.0]


def test_choices_are_matched_by_value_and_type() -> None:
    first = CategoricalDistribution([None, True, "1"])
    second = CategoricalDistribution([1, "1", 0.5])
    a = study_of([({"c": (v, first)}, float(i)) for i, v in enumerate(first.choices)], "a")
    b = study_of([({"c": (v, second)}, float(i)) for i, v in enumerate(second.choices)], "b")
    prior = Prior.from_studies([a, b])
    assert repr(prior.space.dimensions[0].choices) == "(None, True, '1', 1, 0.5)"
    assert [repr(p["c"]) for i in (0, 1) for p in params_of(prior, i)] == [
        *("None", "True", "'1'"),
        *("1", "'1'", "0.5"),
    ]


def test_conditional_parameters_are_absent_where_they_were() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kernel", ["rbf", "linear"]) == "rbf":
            return trial.suggest_float("gamma", 1e-3, 1.0, log=True)
        return 2.0 + trial.number

    study.optimize(objective, n_trials=15)
    prior = Prior.from_studies([study])
    assert [set(p) for p in params_of(prior)] == [set(t.params) for t in study.trials]


# --- Renamed and new parameters


def test_renamed_parameters_share_a_dimension() -> None:
    old = study_of([({"lr": (v, FloatDistribution(0, 2))}, v) for v in (1.0, 2.0)], "old")
    new = study_of([({"rate": (v, X)}, v) for v in (0.5, 1.0)], "new")
    prior = Prior.from_studies([old, new], rename={"lr": "rate"})
    assert prior.space.names == ("rate",) and range_of(prior, "rate") == FloatDistribution(0, 2)
    assert [p["rate"] for i in (0, 1) for p in params_of(prior, i)] == [1.0, 2.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("default", "tuned", "whole"),
    [
        (1e-4, FloatDistribution(1e-3, 1.0, log=True), FloatDistribution(1e-4, 1.0, log=True)),
        (32, IntDistribution(16, 64, step=16), IntDistribution(16, 64, step=16)),
        (np.int64(8), IntDistribution(16, 64, step=16), IntDistribution(8, 64, step=8)),
        (None, CategoricalDistribution(["a", "b"]), CategoricalDistribution([None, "a", "b"])),
        (False, CategoricalDistribution([True, False]), CategoricalDistribution([False, True])),
    ],
)
def test_defaults_fill_studies_that_did_not_know_the_parameter(
    default: Any, tuned: BaseDistribution, whole: BaseDistribution
) -> None:
    value = tuned.choices[0] if isinstance(tuned, CategoricalDistribution) else tuned.high  # type: ignore[attr-defined]
    new = study_of([({"x": (v, X), "new": (value, tuned)}, v) for v in (0.5, 1.0)])
    prior = Prior.from_studies([line(), new], defaults={"new": default})
    assert {p["new"] for p in params_of(prior, 0)} == {default}
    assert {p["new"] for p in params_of(prior, 1)} == {value}
    found = range_of(prior, "new")
    if isinstance(whole, CategoricalDistribution):
        assert set(found.choices) == set(whole.choices)  # type: ignore[attr-defined]
    else:
        assert found == whole


def test_defaults_do_not_fill_a_conditional_parameter() -> None:
    kernels = CategoricalDistribution(["rbf", "linear"])
    conditional = study_of(
        [({"k": ("rbf", kernels), "g": (0.5, X)}, 1.0), ({"k": ("linear", kernels)}, 2.0)]
    )
    prior = Prior.from_studies([conditional, line()], defaults={"g": 0.25})
    assert [p.get("g") for p in params_of(prior, 0)] == [0.5, None]
    assert [p.get("g") for p in params_of(prior, 1)] == [0.25] * 3


def test_defaults_go_by_the_new_name() -> None:
    prior = Prior.from_studies([line()], rename={"x": "y"}, defaults={"x": 1.0, "y": 9.0})
    assert params_of(prior)[0] == {"x": 1.0, "y": 0.0}


# --- Meta-features and marks


def test_meta_features_are_read() -> None:
    study = line()
    record_meta_features(study, {"n": 10, "gap": None})
    features = Prior.from_studies([study]).tasks[0].meta_features
    assert features["n"] == 10.0 and math.isnan(features["gap"])


def test_malformed_meta_features_cost_only_themselves() -> None:
    study = line("s")
    study.set_user_attr(META_FEATURES_KEY, {"n": "ten"})
    with pytest.warns(UserWarning, match="meta-features of prior study 's' are not used: .*'n'"):
        prior = Prior.from_studies([study])
    assert prior.names == ("s",) and prior.tasks[0].meta_features == {}


def test_a_mark_is_the_same_in_a_copy() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    storage = optuna.storages.InMemoryStorage()
    optuna.copy_study(
        from_study_name=study.study_name,
        from_storage=study._storage,
        to_storage=storage,
        to_study_name="copy",
    )
    mark = Prior.from_studies([study]).tasks[0].fingerprint
    assert mark.startswith("0@") and mark == Prior.from_storage(storage).tasks[0].fingerprint
    assert mark == fingerprint_of(study.trials) and fingerprint_of([]) == ""


# --- Tasks, selection, files


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        (
            np.zeros((2, 1)),
            np.zeros(3),
            r"'t' needs rows \(n, D\) and values \(n,\), got \(2, 1\)",
        ),
        (np.zeros(2), np.zeros(2), r"'t' needs rows \(n, D\)"),
        (np.zeros((1, 1)), np.array([np.nan]), "'t' needs finite values"),
    ],
)
def test_impossible_tasks_are_refused(rows: Any, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Task("t", rows, values)


def test_a_part_keeps_ranges_and_loses_parameters_that_nobody_has_then() -> None:
    pair = {"x": FloatDistribution(0, 9), "alone": FloatDistribution(0, 1)}
    trials = [({n: (v / 9, d) for n, d in pair.items()}, v) for v in (1.0, 2.0)]
    prior = Prior.from_studies([line("a"), study_of(trials, "wide"), line("b")])
    part, expected = prior.without(["wide", "never there"]), Prior.from_studies([line("a")])
    assert part.names == ("a", "b") and part.space.names == expected.space.names == ("x",)
    assert part.space.dimensions == prior.space.dimensions[1:]
    np.testing.assert_array_equal(part.tasks[0].rows, prior.tasks[0].rows[:, 1:])
    assert prior.without(["never there"]) is prior and not len(prior.without(prior.names))


@pytest.mark.parametrize("of", [Prior(), fit_prior(Prior())])
def test_a_name_to_leave_out_comes_in_a_list(of: Prior | FittedPrior) -> None:
    with pytest.raises(ValueError, match=r"got 'wide': pass \['wide'\]"):
        of.without("wide")


@pytest.mark.parametrize(
    "read",
    [
        lambda **options: Prior.from_dataframe(None, **options),
        lambda **options: Prior.from_csv([], direction="minimize", **options),
        lambda **options: Prior.from_sklearn({}, **options),
        lambda **options: Prior.from_mlflow("", **options),
        lambda **options: Prior.from_wandb([], metric="loss", direction="minimize", **options),
        lambda **options: Prior.from_ray("", metric="loss", direction="minimize", **options),
    ],
)
def test_readers_refuse_options_that_they_do_not_have(read: Any) -> None:
    with pytest.raises(TypeError, match=r"'renames' \(did you mean 'rename'\?\); there are"):
        read(renames={"lr": "learning_rate"})
    with pytest.raises(TypeError, match=r"no option 'study_names'; there are .*Prior.without"):
        read(study_names=["a"])


def rich_prior() -> Prior:
    choices = CategoricalDistribution([None, True, 1, "é", math.nan])
    trials = [
        ({"c": (c, choices), "x": (i / 8, X), "n": (i, IntDistribution(0, 10**15))}, float(i))
        for i, c in enumerate(choices.choices)
    ]
    study = study_of([*trials, ({"x": (1.0, X)}, 9.0)], "rich")
    record_meta_features(study, {"n": 0.1, "gap": None})
    return Prior.from_studies([study, line()])


def assert_same(prior: Prior, other: Prior) -> None:
    assert repr(prior.space) == repr(other.space) and prior.names == other.names
    for task, expected in zip(prior.tasks, other.tasks, strict=True):
        np.testing.assert_array_equal(task.rows, expected.rows)
        np.testing.assert_array_equal(task.values, expected.values)
        np.testing.assert_equal(dict(task.meta_features), dict(expected.meta_features))
        assert task.fingerprint == expected.fingerprint


@pytest.mark.parametrize("prior", [rich_prior(), Prior()], ids=["rich", "empty"])
def test_what_is_saved_is_loaded(prior: Prior, tmp_path: Path) -> None:
    prior.save(tmp_path / "prior")
    assert_same(Prior.load(str(tmp_path / "prior")), prior)


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prior"
    rich_prior().save(path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="Wanted a file of format 'optuna_meta.fitted_prior'"):
        FittedPrior.load(path)
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="truncated"):
        Prior.load(path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="damaged"):
        Prior.load(path)


def test_choices_that_no_file_can_hold_are_named(tmp_path: Path) -> None:
    prior = Prior(Space((Dimension("act", choices=(math.tanh, math.sin)),)))
    with pytest.raises(ValueError, match="'act' has choices that no file can hold .*name them"):
        prior.save(tmp_path / "prior")
    assert list(tmp_path.iterdir()) == []


def test_a_rename_of_nothing_is_told() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=3)
    with pytest.warns(match="No prior study has a parameter named 'y'"):
        prior = Prior.from_studies([study], rename={"y": "z"})
    assert prior.space.names == ("x",)


def test_a_rename_that_makes_two_parameters_one_leaves_the_study_out() -> None:
    study = optuna.create_study()
    study.optimize(
        lambda trial: trial.suggest_float("x", 0.0, 1.0) + trial.suggest_float("y", 0.0, 1.0),
        n_trials=3,
    )
    with pytest.warns(match="two of its parameters one name"):
        assert len(Prior.from_studies([study], rename={"x": "y"})) == 0
    swapped = Prior.from_studies([study], rename={"x": "y", "y": "x"})
    first = study.trials[0].params
    assert swapped.space.params(swapped.tasks[0].rows[0])["x"] == pytest.approx(first["y"])


def test_a_path_is_no_url(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.touch()
    with pytest.raises(ValueError, match="sqlite:///"):
        Prior.from_storage(str(path))


def test_the_first_version_of_files_is_read() -> None:
    """Written before the package had folders."""
    prior = Prior.load(Path(__file__).parent / "prior_version_1.safetensors")
    outcomes = [Outcome("loss", 0, 2), Outcome("speed", 1, 2), Outcome.constraint("memory")]
    assert prior.names == ("prior 0", "prior 1") and prior.space.names == ("k", "x")
    assert [task.outcome for task in prior.tasks] == outcomes * 2
    assert all(len(task.values) == 8 and task.fingerprint for task in prior.tasks)


def test_numbers_to_choose_from_are_ordered_also_in_files_of_the_first_version(
    tmp_path: Path,
) -> None:
    """Which has them as categories, each cell the index of a choice."""
    path = tmp_path / "prior"
    n = Dimension("n", choices=(64, 16, 32))
    old = {"low": 0.0, "high": 1.0, "log": False, "step": 0.0, "integer": False}
    dimensions = [{"name": d.name, "choices": d.choices, **old} for d in (n, Dimension("x"))]
    task = {"name": "old", "meta_features": {}, "mark": "", "measure": ["", 0, 1]}
    rows = np.array([[0.0, 0.5], [1.0, 0.2], [2.0, 0.1], [np.nan, 0.4]])
    arrays = {"0.rows": rows, "0.values": np.arange(4.0)}
    header = {"dimensions": dimensions, "tasks": [task]}
    write_arrays(path, arrays, "optuna_meta.prior", 1, header)
    prior = Prior.load(path)
    numbers = prior.space.dimensions[0]
    assert not numbers.is_categorical and repr(numbers.distribution()) == repr(n.distribution())
    assert [prior.space.params(row).get("n") for row in prior.tasks[0].rows] == [64, 16, 32, None]
    np.testing.assert_array_equal(prior.tasks[0].rows[:, 1], rows[:, 1])


def test_what_outcomes_mean_is_kept_in_files(tmp_path: Path) -> None:
    prior = Prior.load(Path(__file__).parent / "prior_version_1.safetensors")
    prior.save(tmp_path / "again.safetensors")
    again = Prior.load(tmp_path / "again.safetensors")
    assert [task.outcome for task in again.tasks] == [task.outcome for task in prior.tasks]


def test_priors_of_several_readers_are_one() -> None:
    def prior_of(name: str, high: float) -> Prior:
        study = optuna.create_study(
            study_name=name, sampler=optuna.samplers.RandomSampler(seed=len(name))
        )
        study.optimize(lambda t: (t.suggest_float("x", 0.0, high) - 0.4) ** 2, n_trials=6)
        return Prior.from_studies([study])

    one, other = prior_of("one", 1.0), prior_of("other", 2.0)
    both = Prior.joined([one, other])
    assert both.names == ("one", "other") and both.space.dimensions[0].high == 2.0
    sampler = optuna_meta.MetaSampler(prior_studies=[one, other], seed=0)
    x = optuna.create_study(sampler=sampler).ask().suggest_float("x", 0.0, 1.0)
    assert abs(x - 0.4) < 0.3
    with pytest.raises(ValueError, match=r"named \['one'\]: tell them apart by labels"):
        Prior.joined([one, one])
    empty = Prior(left_out={"one": "it is empty"})
    labelled = Prior.joined({"a": one, "b": one, "c": empty})
    assert labelled.names == ("a/one", "b/one") and list(labelled.left_out) == ["c/one"]
    np.testing.assert_array_equal(labelled.tasks[1].rows, one.tasks[0].rows)
