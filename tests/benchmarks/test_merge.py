import csv

import pytest

from benchmarks.arena.jobs import Budget
from benchmarks.arena.jobs import Job
from benchmarks.arena.jobs import Row
from benchmarks.arena.merge import main
from benchmarks.arena.merge import merge
from benchmarks.arena.results import append_rows
from benchmarks.arena.results import append_skip
from benchmarks.arena.results import COLUMNS
from benchmarks.arena.results import finished_jobs
from benchmarks.arena.results import read_lines
from benchmarks.arena.results import read_origin
from benchmarks.arena.results import read_skips
from benchmarks.arena.results import record_origin


SHORT = Job("short", "f", "A", 0, "base", "tpe")
LONG = Job("long", "f", "A", 0, "base", "tpe")
BUDGET = Budget(2, {"long": 3})
SETTINGS = {"trials": "2", "prior_trials": 50, "max_priors": 20, "optuna": "5.0.0"}


def rows(n, value=0.123456789):
    return [Row(i, value / i, value / i, 0.0123456, 0.5, 4.0) for i in range(1, n + 1)]


@pytest.fixture
def parts(tmp_path):
    """Two files; the second one is of an earlier version, without costs."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    record_origin(first, "run a", SETTINGS)
    append_rows(first, SHORT, rows(2))
    append_skip(first, SHORT._replace(method="gp"), "too dear")
    record_origin(second, "run b", SETTINGS | {"trials": 4, "optuna": "5.0.1"})
    append_rows(second, LONG, rows(4, value=0.25))
    append_rows(second, LONG._replace(seed=1), rows(2))
    with second.open(newline="") as file:
        lines = [line[:-1] for line in csv.reader(file)]
    with second.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return [first, second]


def test_complete_jobs_are_kept_and_cut_to_the_budget(tmp_path, parts):
    output = tmp_path / "all.csv"
    assert merge(output, parts, BUDGET) == (2, 1)
    lines = read_lines(output)
    assert [line[0] for line in lines] == ["long"] * 3 + ["short"] * 2
    assert [line[-1] for line in lines] == ["1"] * 3 + ["4"] * 2  # what a trial cost
    origin = read_origin(output)
    assert origin["commands"] == ["run a", "run b"]
    assert origin["settings"] == SETTINGS | {"trials": "2,long=3"}
    assert origin["notes"] == ["b.csv: optuna 5.0.1"]
    assert read_skips(output) == {SHORT._replace(method="gp"): "too dear"}


def test_of_a_job_in_two_files_the_last_one_counts(tmp_path, parts):
    again = tmp_path / "c.csv"
    append_rows(again, SHORT, rows(2, value=0.7))
    merge(tmp_path / "all.csv", [*parts, again], BUDGET)
    assert read_lines(tmp_path / "all.csv")[-2][COLUMNS.index("value")] == "0.7"


def test_other_prior_trials_are_refused(tmp_path, parts):
    record_origin(parts[1], "run c", {"prior_trials": 50})
    other = tmp_path / "c.csv"
    record_origin(other, "run c", SETTINGS | {"prior_trials": 10})
    append_rows(other, SHORT, rows(2))
    with pytest.raises(ValueError, match="c.csv were made with prior_trials 10, not 50"):
        merge(tmp_path / "all.csv", [*parts, other], BUDGET)


def test_a_run_goes_on_from_a_packed_file(tmp_path, parts):
    packed, plain = tmp_path / "all.csv.xz", tmp_path / "all.csv"
    main([str(packed), *map(str, parts), "--trials", str(BUDGET)])
    record_origin(plain, "go on", SETTINGS | {"trials": str(BUDGET)})
    done = finished_jobs(plain, BUDGET)
    assert done == {SHORT, LONG, SHORT._replace(method="gp")}
    assert read_lines(plain) == read_lines(packed)
    append_rows(plain, SHORT._replace(seed=1), rows(2))
    assert finished_jobs(plain, BUDGET) == done | {SHORT._replace(seed=1)}
    assert read_origin(packed)["commands"] == ["run a", "run b", "go on"]


def test_packed_numbers_are_rounded(tmp_path, parts):
    merge(tmp_path / "all.csv.xz", parts, BUDGET)
    first = dict(zip(COLUMNS, read_lines(tmp_path / "all.csv.xz")[-2], strict=True))
    assert (first["value"], first["regret_so_far"]) == ("0.123457", "0.12346")
    assert first["cpu_seconds_of_suggestion"] == "0.012"


def test_packed_files_lack_the_values_of_trials_that_did_not_improve(tmp_path):
    path = tmp_path / "a.csv"
    append_rows(path, SHORT, [Row(1, 0.5, 0.5, 0.1, 0.1), Row(2, 0.7, 0.5, 0.1, 0.1)])
    append_rows(path, SHORT._replace(seed=1), [Row(i, 0.5, 0.5, 0.1, 0.1) for i in (1, 2)])
    merge(tmp_path / "all.csv.xz", [path], BUDGET)
    lines = read_lines(tmp_path / "all.csv.xz")
    assert [line[COLUMNS.index("value")] for line in lines] == ["0.5", "", "0.5", ""]


def test_a_file_with_other_columns_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("suite,task\n")
    with pytest.raises(ValueError, match="Expected columns suite, family"):
        read_lines(path)
