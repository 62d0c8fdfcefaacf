"""Jobs of every regime on toy tasks, through the command line."""

import csv
import functools

import numpy as np
import pytest

from benchmarks.arena import jobs
from benchmarks.arena import run
from benchmarks.arena.jobs import Budget
from benchmarks.arena.jobs import Job
from benchmarks.arena.plans import jobs_of
from benchmarks.arena.plans import PLANS
from benchmarks.arena.plans import Stage
from benchmarks.arena.progress import Forecast
from benchmarks.arena.results import read_skips
from benchmarks.arena.trials import Row
from benchmarks.methods import methods
from benchmarks.tasks.priors import meta_features
from benchmarks.tasks.priors import prior_studies
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.tables import SUITE
from benchmarks.tasks.task import PRUNED_SUITE
from tests.benchmarks.toys import bowl_task
from tests.benchmarks.toys import curve_task
from tests.benchmarks.toys import NAMES
from tests.benchmarks.toys import objectives_task
from tests.benchmarks.toys import toy_family


def features(name):
    return {} if name == "9" else {"rows": float(name), "columns": 2.0}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command on toy tasks in this process; returns the rows of its file."""

    def start(*argv, make=bowl_task, suite=SUITE):
        load = functools.cache(lambda suite, data: (toy_family(make, features, suite),))
        monkeypatch.setattr(run, "load_suite", load)
        monkeypatch.setattr(jobs, "load_suite", load)
        common = f"--jobs 0 --prior-trials 5 --max-priors 2 --cache {tmp_path}"
        run.main([*common.split(), "--output", str(tmp_path / "r.csv"), "--suite", suite, *argv])
        with (tmp_path / "r.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return start


def test_cold_methods_run_once_unless_the_target_changes(command):
    argv = "--methods tpe,enqueue-best-then-tpe --tasks 1 --seeds 1 --trials 4 --regimes"
    rows = command(*argv.split(), ",".join(REGIMES))
    found = {(row["method"], row["regime"]) for row in rows}
    again = {("tpe", regime) for regime in ("shared", "given-5", "noise", "workers-4")}
    assert found == again | {("enqueue-best-then-tpe", regime) for regime in REGIMES}
    assert len(rows) == 4 * len(found)


@pytest.mark.parametrize("regime", ["features", "workers-4"])
def test_our_sampler_runs_in_the_regime(command, regime):
    rows = command(*f"--methods meta --tasks 1 --seeds 1 --trials 3 --regimes {regime}".split())
    assert [row["trial"] for row in rows] == ["1", "2", "3"]


def test_a_task_without_meta_features_is_skipped_and_stays_so(command, tmp_path):
    argv = "--methods enqueue-best-then-tpe --seeds 1 --trials 2 --regimes features".split()
    rows = command(*argv)
    assert {row["task"] for row in rows} == set(NAMES) - {"9"}
    skipped = Job(SUITE, "toy", "9", 0, "features", "enqueue-best-then-tpe")
    assert read_skips(tmp_path / "r.csv") == {skipped: "No meta-features are known of task 9."}
    assert command(*argv) == rows


def test_a_method_that_cannot_serve_is_skipped_with_its_reason(command, tmp_path, monkeypatch):
    def refuse(priors, seed):
        raise methods.Unsupported("no categories, please")

    monkeypatch.setitem(methods.METHODS, "gp", methods.Method(refuse, uses_priors=True))
    rows = command(*"--methods gp,tpe --tasks 1 --seeds 1 --trials 2".split())
    assert {row["method"] for row in rows} == {"tpe"}
    job = Job(SUITE, "toy", "3", 0, "base", "gp")
    assert read_skips(tmp_path / "r.csv") == {job: "no categories, please"}
    monkeypatch.undo()
    again = "--methods gp,tpe --tasks 1 --seeds 1 --trials 2 --retry-skipped"
    assert {row["method"] for row in command(*again.split())} == {"tpe", "gp"}
    assert read_skips(tmp_path / "r.csv") == {}


def test_our_sampler_without_pruned_trials_runs_where_trials_are_pruned(command):
    argv = "--methods random,meta-drops-pruned --tasks 1 --seeds 1 --trials 8"
    rows = command(*argv.split(), make=curve_task, suite=PRUNED_SUITE)
    assert [row["method"] for row in rows] == ["random"] * 8 + ["meta-drops-pruned"] * 8
    assert any(float(row["cost"]) < 52 for row in rows)


def test_two_objectives(command):
    argv = "--methods random,tpe,gp --tasks 1 --seeds 1 --trials 3"
    rows = command(*argv.split(), make=objectives_task)
    assert len(rows) == 9
    assert all(0 <= float(row["regret_so_far"]) <= 1 for row in rows)


def test_time_that_is_up_stops_the_run_and_a_rerun_goes_on(command, monkeypatch):
    argv = "--methods random,tpe --tasks 2 --seeds 2 --trials 2".split()
    with monkeypatch.context() as context:
        an_hour_a_job = property(lambda forecast: 3600.0 * len(forecast._costs[()]))
        context.setattr(Forecast, "elapsed", an_hour_a_job)
        assert len(command(*argv, "--budget-hours", "2.5")) == 3 * 2  # the rows of three jobs
    assert len(command(*argv)) == 2 * 2 * 2 * 2


def studies(tmp_path, regime, **options):
    family = toy_family(bowl_task, features)
    options = {"seed": 0, "trials": 8, "cache": tmp_path, "limit": 20} | options
    return prior_studies(family, "4", regime=regime, **options)


def test_three_priors_are_three_of_all(tmp_path):
    three, base = (studies(tmp_path, regime) for regime in ("three", "base"))
    assert len(three) == 3
    assert {s.study_name for s in three} < {s.study_name for s in base}


def test_prior_values_have_noise_too(tmp_path):
    pairs = zip(studies(tmp_path, "base"), studies(tmp_path, "noise"), strict=True)
    errors = [b.value - a.value for x, y in pairs for a, b in zip(x.trials, y.trials, strict=True)]
    assert 0.0 < np.std(errors) == pytest.approx(0.05 * 0.4, rel=0.3)


def test_prior_studies_carry_their_own_or_another_task_s_meta_features(tmp_path):
    own = {s.study_name: s.user_attrs for s in studies(tmp_path, "features")}
    assert own["5"] == {"optuna_meta:meta_features": features("5")}
    assert own["9"] == {}
    assert all(not s.user_attrs for s in studies(tmp_path, "base"))
    family = toy_family(bowl_task, features)
    other = meta_features(family, "4", regime="features-permuted", seed=0, limit=20)
    assert set(other) == set(NAMES)
    assert other["5"] != features("5")
    by_rows = [
        sorted(f.get("rows", 0) for f in known.values())
        for known in (other, {name: features(name) for name in NAMES})
    ]
    assert by_rows[0] == by_rows[1]


def test_prior_studies_of_curves_come_back_with_pruned_trials(tmp_path):
    options = {"regime": "base", "seed": 0, "trials": 20, "cache": tmp_path, "limit": 2}
    first, again = (prior_studies(toy_family(curve_task), "4", **options) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert {t.state.name for t in a.trials} == {"COMPLETE", "PRUNED"}
        for x, y in zip(a.trials, b.trials, strict=True):
            assert (x.state, x.values, x.intermediate_values) == (
                y.state,
                y.values,
                y.intermediate_values,
            )


def test_the_plan_runs_whole_replicates_within_the_limits(monkeypatch):
    family = toy_family(bowl_task, features)
    limits = methods.Limits(regimes=("base",), tasks=1, seeds=1)
    costly = methods.METHODS["portfolio-then-gp"]._replace(limits=limits)
    monkeypatch.setitem(methods.METHODS, "portfolio-then-gp", costly)
    stage = Stage((SUITE,), ("base", "negated"), ("tpe", "portfolio-then-gp"), seeds=2)
    planned = jobs_of([stage, stage], [family], tasks=2)
    assert [job.seed for job in planned] == [0] * 3 + [1] * 2
    assert len(set(planned)) == len(planned)
    (only,) = [job for job in planned if job.method == "portfolio-then-gp"]
    assert only == Job(SUITE, "toy", "3", 0, "base", "portfolio-then-gp")


def test_the_arena_names_only_what_there_is():
    from benchmarks.tasks.suites import SUITES

    for stage in PLANS["arena"]:
        assert set(stage.suites) <= set(SUITES)
        assert set(stage.regimes) <= set(REGIMES)
    assert {regime for stage in PLANS["arena"] for regime in stage.regimes} == set(REGIMES)


def test_a_budget_reads_what_it_writes():
    budget = Budget.parse("50,lcbench=100")
    assert (budget.of("nmt"), budget.of("lcbench")) == (50, 100)
    assert Budget.parse(str(budget)) == budget


def test_the_forecast_counts_each_method_by_its_own_cost():
    planned = [Job("s", "f", str(i), 0, "base", m) for i in range(3) for m in ("slow", "fast")]
    forecast = Forecast(planned)
    forecast.finish(planned[0], [Row(1, 0.0, 0.0, 9.5, 0.0)])  # 10 seconds with what is around it
    forecast.finish(planned[1], [Row(1, 0.0, 0.0, 0.5, 0.0)])  # 1 second
    assert forecast.left(elapsed=11.0) == pytest.approx(2 * 10 + 2 * 1)
    assert forecast.left(elapsed=5.5) == pytest.approx(11.0)  # two processes
