"""The commands that time things, each in its smallest form."""

import pytest

from benchmarks import commands
from benchmarks.cost import checkpoints
from benchmarks.cost import features
from benchmarks.cost import fit_prior
from benchmarks.cost import published
from benchmarks.cost import suggestion
from optuna_meta import Prior


@pytest.fixture
def lines(capsys, monkeypatch):
    """Runs a command in this process; returns the cells of its tables."""

    def start(module, argv):
        alone = lambda function, jobs, n_processes: ((job, function(job)) for job in jobs)  # noqa: E731
        monkeypatch.setattr(commands, "run_or_raise", alone)
        name = module.__name__.rpartition(".")[-1]
        commands.run_command("benchmarks.cost", [name], [name, *argv.split()])
        text = capsys.readouterr().out
        return [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]

    return start


def test_every_sampler_and_number_of_priors_is_timed(lines):
    argv = "--priors 2 --growth 1 3 --prior-trials 5 --trial 8"
    table = lines(suggestion, argv)
    assert [line[0] for line in table[2:5]] == ["TPESampler", "GPSampler", "MetaSampler"]
    assert table[2][2] == "1.00" and [line[0] for line in table[7:]] == ["1", "3"]
    assert all(float(line[1]) > 0.0 for line in table[2:5])


def test_prior_studies_are_written_read_and_fitted(lines, tmp_path, monkeypatch):
    monkeypatch.setattr(fit_prior, "N_WRITTEN", 2)
    (line,) = lines(fit_prior, "--studies 3 --trials 3")[2:]
    assert line[0] == "3" and len(line) == 16
    fit_prior.write_studies(tmp_path / "studies.db", 5, 4)
    prior = Prior.from_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    assert prior.names == tuple(f"bowl-{number}" for number in range(5))
    ratio = prior.tasks[2].values / prior.tasks[0].values  # one is a copy of the other
    assert (ratio >= 0.8).all() and (ratio <= 1.2).all() and not (ratio == 1.0).any()


def test_published_studies_are_read_beside_others(lines, monkeypatch):
    pytest.importorskip("optuna_dashboard")
    pytest.importorskip("plotly")
    monkeypatch.setattr(fit_prior, "N_WRITTEN", 2)
    monkeypatch.setattr(published, "_PRIOR_TRIALS", 4)
    table = lines(published, "--studies 3 --trials 3 --repeats 1")[2:]
    assert [line[0] for line in table] == ["Prior.from_storage", "optuna.get_all_study_summaries"]
    assert all(float(line[3]) > 0.0 for line in table)


def test_every_kind_of_table_is_timed(lines):
    table = lines(features, "--rows 300 --mapped-rows 250 --columns 6")[2:]
    assert [line[0] for line in table] == list(features.MAKERS)
    assert [line[1] for line in table] == ["300 x 6"] * 4 + ["250 x 6"] * 2


def test_saving_and_loading_are_timed_and_nothing_is_left(lines, tmp_path):
    table = lines(checkpoints, f"--megabytes 0.1 0.2 --repeats 2 --folder {tmp_path}")[2:]
    assert [line[0] for line in table] == ["0.1", "0.2"]
    assert all(float(cell) > 0.0 for line in table for cell in line)
    assert not list(tmp_path.iterdir())
