"""Reports of files small enough to work out by hand, and of the one that is committed."""

import lzma
import os
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.arena import results
from benchmarks.report import summary
from benchmarks.report.__main__ import main
from benchmarks.report.__main__ import report
from benchmarks.tasks.regimes import SHARED


# Regret so far at trials 1 and 2, by method, task and seed.
REGRETS = {
    ("meta", "A"): ([0.4, 0.2], [0.2, 0.0]),
    ("meta", "B"): ([0.6, 0.6], [0.8, 0.4]),
    ("gp", "A"): ([0.4, 0.4], [1.0, 0.6]),
    ("gp", "B"): ([0.5, 0.5], [0.7, 0.5]),
    ("tpe", "A"): ([0.9, 0.2], [0.9, 0.2]),
    ("tpe", "B"): ([0.9, 0.3], [0.9, 0.3]),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "toy.csv"
    results.record_origin(path, "python -m benchmarks.arena --toy", {"trials": 2})
    for (method, task), seeds in REGRETS.items():
        for seed, regrets in enumerate(seeds):
            regime = "base" if method == "meta" else SHARED
            rows = [results.Row(i, r, r, 0.01 * i, 0.5) for i, r in enumerate(regrets, start=1)]
            results.append_rows(path, results.Job("toy", "f", task, seed, regime, method), rows)
    return path


@pytest.fixture
def base(path):
    return summary.in_regime(summary.read_results(path), "base")


def frame(runs, costs=None):
    rows = [
        ("toy", *key, trial, regret, (costs or [1.0] * 99)[trial - 1])
        for key, regrets in runs.items()
        for trial, regret in enumerate(regrets, start=1)
    ]
    columns = ["suite", "family", "task", "seed", "regime", "method", "trial", "regret_so_far"]
    return pd.DataFrame(rows, columns=[*columns, "cost"])


def test_regrets_are_means_over_seeds_then_tasks(base):
    meta = summary.regret_by_task(base).xs("meta", level="method")
    assert meta[1].tolist() == pytest.approx([0.3, 0.7])
    assert summary.estimate(meta[1]) == pytest.approx((0.5, 0.2))  # sd of 0.3, 0.7 over sqrt(2)
    assert str(summary.estimate([0.05])) == "0.0500"


def test_ranks_share_ties(base):
    ranks = summary.rank_by_task(base)
    # Trial 1, task A: seed 0 has meta and gp tied, seed 1 has meta, tpe, gp in this order.
    assert ranks.loc[("f", "A", "meta"), 1] == pytest.approx((1.5 + 1) / 2)
    assert ranks.loc[("f", "A", "gp"), 1] == pytest.approx((1.5 + 3) / 2)
    assert ranks.loc[("f", "A", "tpe"), 1] == pytest.approx((3 + 2) / 2)


def test_comparisons_are_paired_over_tasks(base):
    duel = summary.compare(summary.regret_by_task(base), "meta", 2, "gp")
    assert duel.score == "1 / 1 / 0"  # A: 0.1 to 0.5, B: 0.5 to 0.5
    assert duel.difference == pytest.approx((-0.2, 0.2))
    assert duel.ratio == pytest.approx(0.3 / 0.5)


@pytest.mark.parametrize(
    ("meta", "gp", "expected"),
    [
        ([1, 1, 3], [2, 2, 2], "yes (1.33; gp 1.67)"),
        ([1, 2], [2, 1], "yes (1.50; gp 1.50)"),
        ([2, 2, 1], [1, 1, 2], "tie (1.67; gp 1.33)"),  # mean 1/3, standard error 2/3
        ([2, 2, 2], [1, 1, 1], "no (2.00; gp 1.00)"),  # standard error 0
        ([2], [1], "no (2.00; gp 1.00)"),  # no error to allow
    ],
)
def test_a_tie_is_behind_by_no_more_than_one_standard_error(meta, gp, expected):
    regrets = {"meta": meta, "gp": gp}
    runs = {
        ("f", str(task), 0, "base", method): [values[task]]
        for method, values in regrets.items()
        for task in range(len(meta))
    }
    assert summary.verdict(summary.rank_by_task(frame(runs)), "meta", 1) == expected


def test_regret_by_cost_counts_what_the_budget_has_paid():
    rows = frame({("f", "A", 0, "base", "meta"): [0.9, 0.9, 0.5, 0.2]}, [52, 4, 8, 52])
    by_cost = summary.regret_by_cost(rows, [10, 52, 63, 64, 115, 116, 999])
    assert by_cost.loc[("f", "A", "meta")].tolist() == [0.9, 0.9, 0.9, 0.5, 0.5, 0.2, 0.2]


def test_cells_beyond_half_of_a_table_are_left_out_and_listed(tmp_path):
    path, nan = tmp_path / "toy.csv", float("nan")
    results.record_origin(path, "python -m benchmarks.arena --toy", {"trials": 3})
    for task, regrets in {
        "A": [0.4, 0.2, 0.1],
        "B": [0.6, 0.5, nan],
        "C": [0.5, nan, nan],
    }.items():
        for method in ("meta", "gp"):
            rows = [results.Row(i, r, r, 0.01, 0.5) for i, r in enumerate(regrets, start=1)]
            job = results.Job("toy", "f", task, 0, "base" if method == "meta" else SHARED, method)
            results.append_rows(path, job, rows)
    rows = summary.in_regime(summary.read_results(path), "base")
    by_task = summary.regret_by_task(rows)
    assert summary.whole(by_task, (1, 2, 3, 5)) == [1, 2]
    assert by_task.xs("meta", level="method")[2].mean() == pytest.approx(0.35)
    assert summary.beyond_half(rows, (1, 2, 3, 5)) == [("f", 2, 1, 3), ("f", 3, 2, 3)]
    assert "| f | 2 | 1 | 3 |" in report(path)


def test_a_regime_has_the_runs_that_all_of_its_methods_have(monkeypatch):
    def runs(method, n, regime="base"):
        return {("f", "A", seed, regime, method): [0.1] for seed in range(n)}

    few = frame(runs("meta", 4) | runs("gp", 4, SHARED) | runs("slow", 1))
    assert summary.partial_methods(few, "base") == [("f", "slow")]
    assert len(summary.in_regime(few, "base")) == 8
    assert len(summary.runs_with(few, "base", "slow", ["meta", "gp"])) == 3
    less = frame(runs("meta", 2) | runs("gp", 1, SHARED))
    assert set(summary.in_regime(less, "base")["seed"]) == {0}
    noise = frame(runs("meta", 2, "noise") | runs("gp", 2, "noise") | runs("tpe", 5, SHARED))
    assert set(summary.in_regime(noise, "noise")["method"]) == {"meta", "gp"}


def test_the_command_writes_where_results_come_from_and_what_came_out(path):
    pytest.importorskip("matplotlib")
    packed = path.with_suffix(".csv.xz")
    packed.write_bytes(lzma.compress(path.read_bytes()))
    main([str(path)])
    text = path.with_suffix(".md").read_text()
    assert text == report(path) == report(packed)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "python -m benchmarks.arena --toy" in text
    assert "| meta | 0.500 ± 0.200 | 0.300 ± 0.200 |" in text
    assert "| base | 2 | 0.3000 | 0.5000 | 0.60 | -0.2000 ± 0.2000 | 1 / 1 / 0 | 0.5" in text
    assert "| meta | 20.0 | 500.0 |" in text  # milliseconds
    # Twelve runs of 0.01 + 0.02 seconds of suggestions and half a second of setup.
    assert f"took {12 * 0.53 / 3600:.2f} hours" in text


def test_the_report_has_a_section_for_everything_in_the_file(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "all.csv"
    regrets = {
        (regime, "toy"): {"meta": 0.2, "gp": 0.4} for regime in ("base", "negated", "noise")
    }
    regrets["base", "nmt-2"] = {"meta": 0.2, "nsgaii": 0.4}
    regrets["base", "lcbench-pruned"] = {"meta": 0.2, "meta-drops-pruned": 0.4}
    for (regime, suite), by_method in regrets.items():
        for method, regret in by_method.items():
            rows = [results.Row(i, 0.5, regret / i, 0.01, 0.5, 52.0) for i in range(1, 21)]
            for task in "AB":
                results.append_rows(path, results.Job(suite, suite, task, 0, regime, method), rows)
    for task in "AB":
        job = results.Job("toy", "toy", task, 0, "base", "cma-es-warm-start")
        results.append_skip(path, job, "categories")
    main([str(path)])
    for name in ("all.png", "all-objectives.png", "all-pruned.png"):
        assert (tmp_path / name).stat().st_size > 0
    text = path.with_suffix(".md").read_text()
    for line in (
        "| cma-es-warm-start | categories | toy | base | 2 |",
        "| toy | yes (1.00; gp 2.00) |",
        "below all on 0 of 1",  # 0.2 / 5 against 0.4 / 15
        "### negated\n\n2 tasks, 1 replicates. Best in mean rank at trial 10: yes",
        "| noise | 10 | 0.0200 | 0.0400 | 0.50 | -0.0200 ± 0.0000 | 2 / 0 / 0 |",
        "| negated | 2 | +0.0000 ± 0.0000 |",  # from the base regime
        "| nsgaii | 2 / 0 / 0 | 2 / 0 / 0 |",
        "| epochs 260 | -0.0400 ± 0.0000 | 2 / 0 / 0 |",  # five trials of 52 epochs
    ):
        assert line in text


def test_the_committed_tables_are_those_of_the_committed_results():
    if "OPTUNA_META_DATA" not in os.environ:
        pytest.skip("takes seconds: set OPTUNA_META_DATA")
    folder = Path(__file__).parents[2] / "benchmarks" / "results"
    assert report(folder / "arena.csv.xz") == (folder / "arena.md").read_text()
