"""HPO-B on a small file in its published layout."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.hpob import __main__ as hpob
from benchmarks.hpob import runs
from benchmarks.hpob.data import read_split
from benchmarks.hpob.data import split_spaces
from benchmarks.hpob.data import Table


@pytest.fixture
def data(tmp_path):
    """Two search spaces of 30 configurations; the best ones lie near each other."""
    rng = np.random.default_rng(0)
    (folder := tmp_path / "hpob-data").mkdir()
    splits = {"train": ["11", "12", "13"], "validation": ["21"], "test": ["31", "32"]}
    for split, names in splits.items():
        record = {"4796": {}, "5527": {}}
        for d, tables in enumerate(record.values(), start=2):
            for name in names:
                X = rng.random((30, d)).round(3)
                y = 0.9 - 0.4 * ((X - 0.3 - int(name) / 500) ** 2).sum(axis=1)
                tables[name] = {"X": X.tolist(), "y": y[:, None].tolist()}
        (folder / f"meta-{split}-dataset.json").write_text(json.dumps(record))
    starts = {f"test{i}": list(range(5 * i, 5 * i + 5)) for i in range(5)}
    initial = {space: {"31": starts, "32": starts} for space in ("4796", "5527")}
    (folder / "bo-initializations.json").write_text(json.dumps(initial))
    return folder


def test_tables_are_those_of_the_files(data, tmp_path):
    assert split_spaces(data, None, tmp_path) == ["4796", "5527"]
    raw = json.loads((data / "meta-test-dataset.json").read_text())["4796"]["31"]
    table = read_split(tmp_path, "4796", "test")["31"]
    assert table.X.tolist() == raw["X"] and table.y.tolist() == np.ravel(raw["y"]).tolist()
    assert table.initial[2].tolist() == [10, 11, 12, 13, 14]
    with pytest.raises(ValueError, match="among 4796, 5527; got '1'"):
        split_spaces(data, ["1"], tmp_path)


def test_a_run_starts_at_the_initialisation_and_ends_with_the_table():
    X = np.array([[0.0], [1.0], [0.5], [0.5], [0.7], [0.9], [0.2]])  # one of them twice
    table = Table(X, np.arange(7.0), np.array([[0, 1, 3, 4, 5]]))
    built = runs.build("random", table, [0, 1, 3, 4, 5], [], 0)
    rows = runs.run_table(table, built, 0, trials=9)
    assert {row.value for row in rows[:2]} == {2.0, 6.0}  # all but those given
    assert [row.trial for row in rows] == list(range(1, 10))
    assert rows[0].regret_so_far == pytest.approx(1 - max(5.0, rows[0].value) / 6)
    assert {row.regret_so_far for row in rows[1:]} == {0.0}


def test_the_command_prints_the_published_columns_beside_other_methods(data, tmp_path, capsys):
    argv = f"--data {data} --jobs 0 --spaces 4796 --trials 10 --prior-trials 20"
    argv += f" --output {tmp_path}/r.csv --cache {tmp_path} --methods random,meta"
    assert hpob.main(argv.split()) == hpob.main(argv.split()) == 0  # a rerun adds nothing
    printed = capsys.readouterr().out
    assert "| method | regret@5 | regret@10 | rank@5 | rank@10 |" in printed
    assert "10 runs in 1 search spaces" in printed  # two data sets, five initialisations
    rows = pd.read_csv(tmp_path / "r.csv")
    assert rows.groupby("method").size().to_dict() == {"meta": 100, "random": 100}
    means = rows[rows["trial"] == 10].groupby("method")["regret_so_far"].mean()
    assert means["meta"] < means["random"]
    scores = {f"test{i}": [0.0] + [1.0] * 10 for i in range(5)}
    (tmp_path / "ORACLE.json").write_text(json.dumps({"4796": {"31": scores, "32": scores}}))
    lines = hpob.hpob_report(tmp_path / "r.csv", [tmp_path / "ORACLE.json"]).splitlines()
    cells = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ") for line in lines[4:]}
    assert cells["ORACLE"][1:3] == ["0.0000", "0.0000"]
    assert cells["meta"][2] == f"{means['meta']:.4f}"
    assert sum(float(line[4]) for line in cells.values()) == pytest.approx(6.0, abs=0.02)
