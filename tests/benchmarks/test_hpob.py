"""HPO-B on a small file in its published layout."""

import json

import numpy as np
import pytest

from benchmarks.hpob.data import prior_of
from benchmarks.hpob.data import read_split
from benchmarks.hpob.data import split_spaces
from benchmarks.hpob.data import Table
from benchmarks.hpob.run import main
from benchmarks.hpob.run import RandomCandidates
from benchmarks.hpob.run import run_table


pytest.importorskip("pandas")

from benchmarks.hpob.report import hpob_report  # noqa: E402
from benchmarks.report.summary import read_results  # noqa: E402


def score(X, centre):
    return 0.5 + 0.4 * (1.0 - ((X - centre) ** 2).sum(axis=1))


@pytest.fixture
def data(tmp_path):
    """Two search spaces of 30 configurations; the best ones lie near each other."""
    rng = np.random.default_rng(0)
    files = {
        "meta-train-dataset.json": ["11", "12", "13"],
        "meta-validation-dataset.json": ["21"],
        "meta-test-dataset.json": ["31", "32"],
    }
    folder = tmp_path / "hpob-data"
    folder.mkdir()
    for file, names in files.items():
        record = {}
        for space, d in (("4796", 2), ("5527", 3)):
            record[space] = {}
            for name in names:
                X = rng.random((30, d)).round(3)
                y = score(X, 0.3 + int(name) / 500)
                record[space][name] = {"X": X.tolist(), "y": y[:, None].tolist()}
        (folder / file).write_text(json.dumps(record))
    starts = {f"test{i}": list(range(5 * i, 5 * i + 5)) for i in range(5)}
    initial = {space: {"31": starts, "32": starts} for space in ("4796", "5527")}
    (folder / "bo-initializations.json").write_text(json.dumps(initial))
    return folder


def raw(data, space="4796", name="31", file="meta-test-dataset.json"):
    table = json.loads((data / file).read_text())[space][name]
    return np.array(table["X"]), np.array(table["y"]).ravel()


def test_tables_are_those_of_the_files(data, tmp_path):
    assert split_spaces(data, None, tmp_path) == ["4796", "5527"]
    tables = read_split(tmp_path, "4796", "test")
    assert list(tables) == ["31", "32"]
    X, y = raw(data)
    assert tables["31"].X.tolist() == X.tolist()
    assert tables["31"].y.tolist() == y.tolist()
    assert tables["31"].initial[2].tolist() == [10, 11, 12, 13, 14]
    assert list(read_split(tmp_path, "5527", "train")) == ["11", "12", "13"]
    scores = tables["31"].scores()
    assert (scores.min(), scores.max()) == (0.0, 1.0)
    assert np.argsort(scores).tolist() == np.argsort(y).tolist()


def test_a_second_reading_needs_no_file(data, tmp_path):
    split_spaces(data, ["5527"], tmp_path)
    assert split_spaces(tmp_path / "gone", ["5527"], tmp_path) == ["5527"]
    with pytest.raises(ValueError, match="Expected HPO-B's file bo-initializations.json"):
        split_spaces(tmp_path / "gone", ["4796"], tmp_path)
    with pytest.raises(ValueError, match="among 4796, 5527; got '1'"):
        split_spaces(data, ["1"], tmp_path)


def test_a_prior_study_is_a_draw_of_rows(data, tmp_path):
    split_spaces(data, ["4796"], tmp_path)
    table = read_split(tmp_path, "4796", "train")["11"]
    study = prior_of("4796", "11", table, 10)
    rows = {tuple(x): y for x, y in zip(table.X.tolist(), table.y.tolist(), strict=True)}
    assert len({tuple(t.params.values()) for t in study.trials}) == 10
    assert all(rows[tuple(t.params.values())] == t.value for t in study.trials)


def test_a_run_starts_at_the_initialisation_and_ends_with_the_table(data, tmp_path):
    split_spaces(data, ["4796"], tmp_path)
    table = read_split(tmp_path, "4796", "test")["31"]
    rows = list(run_table(table, RandomCandidates(table.configurations, 0), 1, trials=100))
    assert len(rows) == 25  # all but the five given ones, each once
    values = [row.value for row in rows]
    assert sorted([*values, *table.y[5:10]]) == sorted(table.y)
    scores = table.scores()
    by_value = dict(zip(table.y.tolist(), scores.tolist(), strict=True))
    so_far = np.maximum.accumulate([scores[5:10].max(), *(by_value[v] for v in values)])
    assert [row.regret_so_far for row in rows] == pytest.approx(1.0 - so_far[1:])
    assert rows[-1].regret_so_far == 0.0


def test_configurations_that_the_table_has_twice():
    X = np.array([[0.0], [1.0], [0.5], [0.5], [0.7], [0.9], [0.2]])
    table = Table(X, np.arange(7.0), np.array([[0, 1, 2, 4, 5]]))
    rows = list(run_table(table, RandomCandidates(table.configurations, 0), 0, trials=9))
    assert len(rows) == 2
    assert rows[0].value == 6.0  # the only configuration that was not tried


def test_the_command_prints_the_published_columns(data, tmp_path, capsys):
    argv = f"--data {data} --jobs 0 --spaces 4796 --trials 10 --prior-trials 20"
    argv += f" --output {tmp_path}/r.csv --cache {tmp_path} --methods random,meta"
    assert main(argv.split()) == 0
    printed = capsys.readouterr().out
    assert "| method | regret@5 | regret@10 | rank@5 | rank@10 |" in printed
    assert "10 runs in 1 search spaces" in printed  # two data sets, five initialisations
    rows = read_results(tmp_path / "r.csv")
    assert rows.groupby("method").size().tolist() == [100, 100]
    means = rows[rows["trial"] == 10].groupby("method")["regret_so_far"].mean()
    assert means["meta"] < means["random"]
    assert main(argv.split()) == 0
    assert len(read_results(tmp_path / "r.csv")) == len(rows)


def test_published_results_are_ranked_beside_ours(data, tmp_path, capsys):
    argv = f"--data {data} --jobs 0 --trials 5 --output {tmp_path}/r.csv --cache {tmp_path}"
    main([*argv.split(), "--methods", "random"])
    perfect = {f"test{i}": [0.0, 1.0, 1.0, 1.0, 1.0, 1.0] for i in range(5)}
    published = {space: {name: perfect for name in ("31", "32")} for space in ("4796", "5527")}
    (tmp_path / "ORACLE.json").write_text(json.dumps(published))
    text = hpob_report(tmp_path / "r.csv", [tmp_path / "ORACLE.json"])
    oracle, random = (
        next(line for line in text.splitlines() if line.startswith(f"| {name} |")).split(" | ")
        for name in ("ORACLE", "random")
    )
    assert oracle[1] == "0.0000"
    rows = read_results(tmp_path / "r.csv")
    regrets = rows[rows["trial"] == 5]["regret_so_far"]
    assert float(random[1]) == pytest.approx(regrets.mean(), abs=1e-4)
    n_perfect = int((regrets == 0).sum())  # which tie with the oracle
    assert float(random[2].rstrip(" |")) == pytest.approx(2 - 0.5 * n_perfect / 20, abs=0.006)
