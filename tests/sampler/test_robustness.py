"""Priors that mislead, lack something or break: the study goes on, and says so once."""

from __future__ import annotations

import logging
from pathlib import Path
import statistics
import sys
import time
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import record_meta_features
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.suggest.suggester import Suggester
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import grid
from tests.toys import grid_prior
from tests.toys import meta_sampler
from tests.toys import run


CENTRES = [0.26, 0.28, 0.3, 0.32, 0.34]


def bowls(sign: float = 1.0, n_trials: int = 20) -> FittedPrior:
    studies = [
        run(bowl(c, sign), n_trials, seed=i, study_name=f"bowl {i}") for i, c in enumerate(CENTRES)
    ]
    return fit_prior(Prior.from_studies(studies))


def params_of(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def sources_of(study: optuna.Study) -> list[str | None]:
    return [trial.user_attrs.get(PLAN_KEY, {}).get("source") for trial in study.trials]


def test_no_prior_is_a_cold_start() -> None:
    none, empty, record = (
        run(bowl(), 12, sampler=MetaSampler(prior_studies=prior, seed=3))
        for prior in (None, [], Prior())
    )
    assert params_of(none) == params_of(empty) == params_of(record)
    assert set(sources_of(none)) == {"cold start"}
    ours = [run(bowl(), 12, sampler=MetaSampler(seed=s)).best_value for s in range(3, 6)]
    assert np.median(ours) < np.median([run(bowl(), 12, seed=s).best_value for s in range(3, 6)])


@pytest.mark.parametrize("n_trials", [2, 10])
def test_one_prior_study(n_trials: int) -> None:
    study = run(bowl(), 4, sampler=meta_sampler([run(bowl(), n_trials)]))
    assert None not in sources_of(study)


def cpu_of_suggestions(n_priors: int) -> float:
    space_trials = [run(bowl(0.2 + 0.2 * i / n_priors), 10, seed=i) for i in range(n_priors)]
    study = run(bowl(), 6, sampler=meta_sampler(space_trials))
    start = time.process_time()
    study.optimize(bowl(), n_trials=6)
    return time.process_time() - start


def test_a_suggestion_costs_the_same_with_many_priors() -> None:
    few, many = cpu_of_suggestions(30), cpu_of_suggestions(300)
    assert many < 3.0 * few


def test_good_priors_make_the_first_trial_good() -> None:
    first = run(bowl(), 1, sampler=meta_sampler(bowls())).best_value
    random = [trial.value for trial in run(bowl(), 20, seed=99).trials]
    assert first < 0.2 * statistics.median(random)


def test_negated_priors_cost_little() -> None:
    negated = bowls(sign=-1.0)

    def best(prior: FittedPrior | None, seed: int) -> optuna.Study:
        return run(bowl(), 25, sampler=MetaSampler(prior_studies=prior, seed=seed))

    misled = statistics.median(best(negated, seed).best_value for seed in range(3))
    alone = statistics.median(best(None, seed).best_value for seed in range(3))
    assert misled < 2.0 * alone + 0.01


def test_permuted_priors_are_left_behind() -> None:
    """Their values say nothing: the model finds the optimum, and says when they have lost."""
    rng = np.random.default_rng(0)
    studies = []
    for i in range(5):
        study = optuna.create_study(study_name=f"permuted {i}")
        trials = run(bowl(), 20, seed=i).trials
        values = rng.permutation([trial.value for trial in trials])
        for trial, value in zip(trials, values, strict=True):
            trial.value = float(value)
            study.add_trial(trial)
        studies.append(study)
    study = run(bowl(), 25, sampler=meta_sampler(studies))
    assert study.best_value < 0.1
    trusted = [trial.user_attrs[PLAN_KEY]["trust"] for trial in study.trials]
    assert min(trusted) < 0.5 * trusted[0]


def test_contradicting_priors_are_left_behind(logged: Any) -> None:
    """One task's priors all agree on the wrong place; trust falls below the least."""

    def steep(centre: float) -> Any:
        def objective(trial: optuna.Trial) -> float:
            x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
            return (x - centre) ** 2 + (y - centre) ** 2

        return objective

    def wavy(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return float(np.sin(17 * x) * np.cos(13 * y))

    priors = [
        run(steep(c), 30, seed=i, study_name=f"{i}") for i, c in enumerate([0.1, 0.11, 0.12])
    ]
    study = run(wavy, 30, sampler=meta_sampler(priors))
    sources = sources_of(study)
    assert "cold start" in sources
    alone = [m.partition(": alone: ")[2] for m in logged.messages if ": alone: " in m]
    # At first too few trials tell why.
    assert alone[0].startswith("why is not clear: too few") and len(alone) == 2
    assert alone[1].startswith("not like this study: no prior study agrees with the own trials")
    cold = study.trials[sources.index("cold start")]
    assert "leaned_on" not in cold.user_attrs[PLAN_KEY]
    assert cold.user_attrs[PLAN_KEY]["trust"] < 0.1


def test_directions_may_differ() -> None:
    """A prior maximises what the target minimises: its values are the reverse."""
    priors = [
        run(bowl(c, sign=-1.0), 20, seed=i, direction="maximize", study_name=f"bowl {i}")
        for i, c in enumerate(CENTRES)
    ]
    turned = run(bowl(), 4, sampler=meta_sampler(priors))
    assert params_of(turned) == params_of(run(bowl(), 4, sampler=meta_sampler(bowls())))
    maximised = run(bowl(sign=-1.0), 4, sampler=meta_sampler(bowls()), direction="maximize")
    assert params_of(turned) == params_of(maximised)


def test_the_target_is_not_its_own_prior(tmp_path: Path, logged: Any) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    for i in range(2):
        run(bowl(), 8, seed=i, storage=url, study_name=f"prior {i}")
    target = run(bowl(), 3, seed=7, storage=url, study_name="target")
    sampler = meta_sampler(Prior.from_storage(url))
    assert len(sampler._known.fitted) == 3
    resumed = optuna.load_study(study_name="target", storage=url, sampler=sampler)
    resumed.optimize(bowl(), n_trials=2)
    assert any("'target': 2 prior studies of 16 trials" in told for told in logged.messages)
    assert [p.study for p in sampler.explain(resumed).priors].count("target") == 0
    assert {t.user_attrs[PLAN_KEY]["leaned_on"] for t in resumed.trials[3:]} <= {
        "prior 0",
        "prior 1",
    }
    fitted = sampler._known.fitted
    explained = meta_sampler(fitted).explain(target)
    assert explained.params == meta_sampler(fitted.without(["target"])).explain(target).params


def test_the_target_leaves_no_trace_in_the_fit_of_the_others(tmp_path: Path) -> None:
    """Nor in their space: it may have parameters that none of them has."""
    url = f"sqlite:///{tmp_path}/all.db"
    names = [f"prior {i}" for i in range(3)]
    for i, name in enumerate(names):
        run(bowl(), 12, seed=i, storage=url, study_name=name)

    def objective(trial: optuna.Trial) -> float:
        return bowl()(trial) + (trial.suggest_categorical("start", ["new", "old"]) == "new")

    target = run(objective, 9, seed=7, storage=url, study_name="target")
    alone = meta_sampler(Prior.from_storage(url, study_names=names)).explain(target)
    beside = meta_sampler(Prior.from_storage(url)).explain(target)
    assert beside == alone and "start" in beside.params


@pytest.mark.plan_may_fail
def test_where_the_others_cannot_be_fitted_anew_they_serve_as_they_are(logged: Any) -> None:
    """A worker may lack the device that fitted them."""
    target = run(bowl(), 3, seed=7, study_name="target")
    others = [run(bowl(), 8, seed=i, study_name=f"prior {i}") for i in range(2)]
    sampler = meta_sampler([*others, target])

    def broken(_: Prior, **options: Any) -> FittedPrior:
        raise RuntimeError("no such device")

    sampler._known.fit = broken
    target.sampler = sampler
    target.optimize(bowl(), n_trials=3)
    assert all(t.user_attrs[PLAN_KEY]["trust"] > 0.5 for t in target.trials[3:])
    assert [message.count("no such device") for message in logged.warnings] == [1]


def test_the_target_is_not_its_own_prior_under_hyperband() -> None:
    """The pruner's wrapper shows each bracket its own trials: not always the first one, or any."""
    storage = optuna.storages.InMemoryStorage()
    run(bowl(), 8, seed=1, storage=storage, study_name="prior")
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)

    def objective(trial: optuna.Trial) -> float:
        value = bowl()(trial)
        trial.report(value, 1)
        trial.should_prune()  # Before it is asked there are no brackets.
        return value

    run(objective, 2, seed=7, storage=storage, study_name="target", pruner=pruner)
    sampler = meta_sampler(Prior.from_storage(storage))
    target = optuna.load_study(
        study_name="target", storage=storage, sampler=sampler, pruner=pruner
    )
    target.optimize(objective, n_trials=12)
    records = [trial.user_attrs[PLAN_KEY] for trial in target.trials[2:]]
    assert {record.get("leaned_on") for record in records} - {None} == {"prior"}
    used = [e for r in records for e in r.get("events", ()) if e.startswith("used: ")]
    assert len(used) > 1 and set(used) == {"used: 1 prior studies (prior)"}  # In each bracket.


def test_only_itself_as_a_prior() -> None:
    study = run(bowl(), 5)
    study.sampler = meta_sampler([study])
    study.optimize(bowl(), n_trials=2)
    assert sources_of(study) == [None] * 5 + ["cold start"] * 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), 1e300, None])
def test_bad_trials_of_the_target(bad: float | None) -> None:
    def sometimes(trial: optuna.Trial) -> float:
        value = bowl()(trial)
        if trial.number in (1, 3):
            if bad is None:
                raise RuntimeError("out of memory")
            return bad
        return value

    study = run(lambda t: 0.0, 0, sampler=meta_sampler(bowl_prior()))
    study.optimize(sometimes, n_trials=7, catch=(RuntimeError,))
    assert None not in sources_of(study)
    assert len({tuple(p.values()) for p in params_of(study)}) == 7
    finite = [
        t.value for t in study.get_trials(states=(TrialState.COMPLETE,)) if t.number not in (1, 3)
    ]
    assert min(finite) < 0.1


@pytest.mark.plan_may_fail
def test_an_error_in_planning_costs_only_the_transfer(
    monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Suggester, "suggest", broken)
    study = run(bowl(), 6, sampler=meta_sampler(bowl_prior()))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert sources_of(study) == [None] * 6
    assert len(logged.warnings) == 1
    assert "a bug" in logged.warnings[0]


def failures_of(sampler: MetaSampler, how: BaseException) -> tuple[int, float]:
    """How many of 20 trials hit a region where the priors are best and every trial fails.

    And the best value: at the border of that region it is .04.
    """

    def fragile(trial: optuna.Trial) -> float:
        value = bowl()(trial)
        if trial.params["width"] > 0.4:
            raise how
        return value

    study = optuna.create_study(sampler=sampler)
    study.optimize(fragile, n_trials=20, catch=ArithmeticError)
    return sum(trial.state != TrialState.COMPLETE for trial in study.trials), study.best_value


@pytest.mark.parametrize("how", [ArithmeticError(), optuna.TrialPruned()], ids=["fail", "prune"])
def test_a_region_that_fails_is_left(how: BaseException) -> None:
    """Failed trials, and pruned ones that reported nothing, tell where there are more."""
    for sampler in (meta_sampler(bowl_prior()), MetaSampler(seed=0)):
        n_failures, best = failures_of(sampler, how)
        assert n_failures <= 15 and best < 0.06


def best_of_25(sampler: MetaSampler, rate: float, retried: bool) -> float:
    """The best of 25 complete trials where others fail at random."""
    study, rng = optuna.create_study(sampler=sampler), np.random.default_rng(0)
    while len(study.get_trials(states=(TrialState.COMPLETE,))) < 25:
        trial = study.ask()
        value = bowl()(trial)
        if rng.random() < rate:
            study.tell(trial, state=TrialState.FAIL)
            if retried:
                study.enqueue_trial(trial.params)
        else:
            study.tell(trial, value)
    return study.best_value


@pytest.mark.parametrize("retried", [False, True])
def test_failures_that_have_nothing_to_do_with_the_configuration_cost_little(
    retried: bool,
) -> None:
    """As when machines are taken away."""
    for prior in (bowl_prior(), None):
        assert best_of_25(MetaSampler(prior_studies=prior, seed=0), 0.3, retried) < 1e-3


def test_the_largest_float_blinds_nobody() -> None:
    def explosive(trial: optuna.Trial) -> float:
        return sys.float_info.max if trial.number == 2 else 1e-2 * bowl()(trial)

    values = [t.value for t in run(explosive, 12, sampler=meta_sampler(bowl_prior())).trials]
    assert min(values[3:]) <= min(values[:2])


def test_priors_of_other_parameters_are_not_leaned_on() -> None:
    study = run(
        lambda trial: trial.suggest_float("unknown", 0.0, 1.0) ** 2,
        8,
        sampler=meta_sampler(bowl_prior()),
    )
    assert "test of the prior studies" not in sources_of(study)
    assert all("leaned_on" not in t.user_attrs[PLAN_KEY] for t in study.trials[2:])


@pytest.mark.plan_may_fail
def test_an_error_in_the_midst_of_a_trial(monkeypatch: pytest.MonkeyPatch, logged: Any) -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    trial = study.ask()
    trial.suggest_float("width", 0.0, 1.0)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Suggester, "suggest", broken)
    trial.suggest_float("rate", 10.0, 20.0)
    assert len(logged.warnings) == 1


@pytest.mark.plan_may_fail
def test_a_storage_that_cannot_record_the_explanation(
    monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def broken(*_: Any) -> None:
        raise optuna.exceptions.StorageInternalError("database is locked")

    expected = params_of(run(bowl(), 3, sampler=meta_sampler(bowl_prior())))
    monkeypatch.setattr(optuna.storages.InMemoryStorage, "set_trial_user_attr", broken)
    assert params_of(run(bowl(), 3, sampler=meta_sampler(bowl_prior()))) == expected
    assert len(logged.warnings) == 1
    assert "locked" in logged.warnings[0]


@pytest.mark.plan_may_fail
@pytest.mark.parametrize("n_ok", range(3))
def test_a_storage_that_fails_once_costs_no_trial(
    n_ok: int, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    """After so many calls that a suggestion needs; a clash may be looked for, as another runs."""
    study = run(grid(), 3, sampler=meta_sampler(grid_prior()))
    study.ask()
    trial, storage, calls = study.ask(), study._storage, []
    for name in ("get_all_trials", "set_trial_user_attr"):
        call = getattr(storage, name)

        def failing(*arguments: Any, call: Any = call, **options: Any) -> Any:
            calls.append(arguments)
            if len(calls) == n_ok + 1:
                raise optuna.exceptions.StorageInternalError("connection reset")
            return call(*arguments, **options)

        monkeypatch.setattr(storage, name, failing)
    study.tell(trial, grid()(trial))
    assert len(calls) > n_ok
    assert ["connection reset" in m for m in logged.warnings] == [True]
    assert study.trials[-1].state == TrialState.COMPLETE


def test_malformed_meta_features_are_told_once(logged: Any) -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    study.set_user_attr("optuna_meta:meta_features", {"size": "many"})
    study.optimize(bowl(), n_trials=3)
    assert None not in sources_of(study)
    assert len(logged.warnings) == 1
    assert "'size'" in logged.warnings[0]


def test_meta_features_weigh_the_priors() -> None:
    studies = [run(bowl(0.8 if i % 2 else 0.2), 12, seed=i, study_name=f"{i}") for i in range(10)]
    for i, study in enumerate(studies):
        record_meta_features(study, {"size": (1000.0 if i % 2 else 10.0) + i, "other": i % 3})
    by_argument = meta_sampler(studies, meta_features={"size": 1004.0, "other": 1.0})
    target = optuna.create_study()
    explained = by_argument.explain(target)
    weights = {p.study: p.prior_weight for p in explained.priors}
    record_meta_features(target, {"size": 1004.0, "other": 1.0})
    recorded = {p.study: p.prior_weight for p in meta_sampler(studies).explain(target).priors}
    assert weights == recorded
    assert sum(weights[f"{i}"] for i in range(1, 10, 2)) > 0.6
    assert next(iter(explained.relevance)) == "size"
    assert "meta-features that matter: size" in str(explained)
    close = next(p for p in explained.priors if int(p.study) % 2)
    assert close.close_in[0] == "size"


def test_logging_obeys_optunas_verbosity() -> None:
    logger = logging.getLogger("optuna.meta")
    logger.setLevel(logging.NOTSET)  # As users have it.
    assert logger.parent is logging.getLogger("optuna")
    for level, shown in ((optuna.logging.ERROR, False), (optuna.logging.WARNING, True)):
        optuna.logging.set_verbosity(level)
        assert logger.isEnabledFor(logging.WARNING) == shown


def test_storage_reads_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/target.db"
    study = run(bowl(), 2, sampler=meta_sampler(bowl_prior()), storage=url)
    calls = []
    read = study._storage.get_all_trials

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return read(*arguments, **options)

    monkeypatch.setattr(study._storage, "get_all_trials", counted)
    study.optimize(bowl(), n_trials=1)
    assert len(calls) == 2  # Optuna's own, and one to plan from.


def test_the_order_in_which_prior_studies_are_read_is_immaterial() -> None:
    """Also of more studies than a suggestion asks."""
    centres = [0.37 * i % 1.0 for i in range(40)]
    studies = [run(bowl(c), 4, seed=i, study_name=f"{i}") for i, c in enumerate(centres)]
    orders = [studies, studies[::-1], studies[17:] + studies[:17]]
    found = [
        [t.params for t in run(bowl(), 5, sampler=meta_sampler(order)).trials] for order in orders
    ]
    assert found[0] == found[1] == found[2]
