"""A file of two tasks, two seeds and three methods, small enough to work out by hand."""

import lzma

import pytest


pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

from benchmarks.arena.jobs import Job  # noqa: E402
from benchmarks.arena.jobs import Row  # noqa: E402
from benchmarks.arena.jobs import SHARED  # noqa: E402
from benchmarks.arena.results import append_rows  # noqa: E402
from benchmarks.arena.results import append_skip  # noqa: E402
from benchmarks.arena.results import record_origin  # noqa: E402
from benchmarks.report.report import main  # noqa: E402
from benchmarks.report.report import report  # noqa: E402
from benchmarks.report.summary import compare  # noqa: E402
from benchmarks.report.summary import cpu_hours  # noqa: E402
from benchmarks.report.summary import estimate  # noqa: E402
from benchmarks.report.summary import in_regime  # noqa: E402
from benchmarks.report.summary import rank_by_task  # noqa: E402
from benchmarks.report.summary import read_results  # noqa: E402
from benchmarks.report.summary import regret_by_task  # noqa: E402


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
    record_origin(path, "python -m benchmarks.arena.run --toy", {"trials": 2})
    for (method, task), seeds in REGRETS.items():
        for seed, regrets in enumerate(seeds):
            regime = "base" if method == "meta" else SHARED
            rows = [Row(i, r, r, 0.01 * i, 0.5) for i, r in enumerate(regrets, start=1)]
            append_rows(path, Job("toy", "f", task, seed, regime, method), rows)
    return path


@pytest.fixture
def base(path):
    return in_regime(read_results(path), "base")


def test_regrets_are_means_over_seeds_then_tasks(base):
    by_task = regret_by_task(base)
    meta = by_task.xs("meta", level="method")
    assert meta[1].tolist() == pytest.approx([0.3, 0.7])
    assert estimate(meta[1]) == pytest.approx((0.5, 0.2))  # sd of 0.3 and 0.7 over sqrt(2)
    assert estimate(meta[2]) == pytest.approx((0.3, 0.2))


def test_ranks_share_ties(base):
    ranks = rank_by_task(base)
    # Trial 1, task A: seed 0 has meta and gp tied, seed 1 has meta, tpe, gp in this order.
    assert ranks.loc[("f", "A", "meta"), 1] == pytest.approx((1.5 + 1) / 2)
    assert ranks.loc[("f", "A", "gp"), 1] == pytest.approx((1.5 + 3) / 2)
    assert ranks.loc[("f", "A", "tpe"), 1] == pytest.approx((3 + 2) / 2)
    # Trial 2, task B: seed 0 tpe, gp, meta; seed 1 tpe, meta, gp.
    assert ranks.loc[("f", "B", "meta"), 2] == pytest.approx((3 + 2) / 2)
    assert ranks.groupby(["family", "task"])[1].sum().tolist() == pytest.approx([6.0, 6.0])


def test_comparisons_are_paired_over_tasks(base):
    duel = compare(regret_by_task(base), "meta", 2, "gp")
    assert (duel.wins, duel.ties, duel.losses) == (1, 1, 0)  # A: 0.1 to 0.5, B: 0.5 to 0.5
    assert duel.difference == pytest.approx((-0.2, 0.2))
    assert duel.ratio == pytest.approx(0.3 / 0.5)
    assert duel.worst == 0.0
    early = compare(regret_by_task(base), "meta", 1, "tpe", 2)  # A: 0.3 to 0.2, B: 0.7 to 0.3
    assert (early.wins, early.ties, early.losses) == (0, 0, 2)


def test_runs_without_all_methods_are_left_out(path):
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("toy,f,B,1,shared,gp")]
    path.write_text("".join(kept))
    rows = in_regime(read_results(path), "base")
    assert set(zip(rows["task"], rows["seed"], strict=True)) == {("A", 0), ("A", 1), ("B", 0)}


def test_the_report_says_where_it_comes_from_and_what_came_out(path):
    text = report(path)
    assert "python -m benchmarks.arena.run --toy" in text
    assert "| meta | 0.500 ± 0.200 | 0.300 ± 0.200 |" in text
    assert "| base | 2 | 0.3000 | 0.5000 | 0.60 | -0.2000 ± 0.2000 | 1 / 1 / 0 | 0.5" in text
    assert "| meta | 20.0 | 500.0 |" in text  # milliseconds


def test_cpu_hours_count_a_setup_once(path):
    # Twelve runs of 0.01 + 0.02 seconds of suggestions and half a second of setup.
    assert cpu_hours(read_results(path)) == pytest.approx(12 * 0.53 / 3600)


def add(path, suite, regimes, methods, trials=20):
    for regime in regimes:
        for method, regret in methods.items():
            for task in "AB":
                rows = [Row(i, 0.5, regret / i, 0.01, 0.5, 52.0) for i in range(1, trials + 1)]
                append_rows(path, Job(suite, suite, task, 0, regime, method), rows)


def test_the_report_has_a_section_for_everything_in_the_file(tmp_path):
    path = tmp_path / "all.csv"
    add(path, "toy", ["base", "negated", "noise"], {"meta": 0.2, "gp": 0.4})
    add(path, "nmt-2", ["base"], {"meta": 0.2, "nsgaii": 0.4})
    add(path, "lcbench-pruned", ["base"], {"meta": 0.2, "meta-drops-pruned": 0.4})
    skipped = Job("toy", "toy", "A", 0, "base", "cma-es-warm-start")
    append_skip(path, skipped, "categories")
    append_skip(path, skipped._replace(task="B"), "categories")
    text = report(path)
    assert "| cma-es-warm-start | categories | toy | base | 2 |" in text
    assert "| toy | yes (1.00; gp 2.00) |" in text
    assert "below all on 0 of 1" in text  # 0.2 / 5 against 0.4 / 15
    assert "### negated\n\n2 tasks, 1 replicates. Best in mean rank at trial 10: yes" in text
    assert "| noise | 10 | 0.0200 | 0.0400 | 0.50 | -0.0200 ± 0.0000 | 2 / 0 / 0 |" in text
    assert "| negated | 2 | +0.0000 ± 0.0000 |" in text  # from the base regime
    assert "| nsgaii | 2 / 0 / 0 | 2 / 0 / 0 |" in text
    assert "| epochs 260 | -0.0400 ± 0.0000 | 2 / 0 / 0 |" in text  # five trials of 52 epochs
    main([str(path)])
    for name in ("all.png", "all-objectives.png", "all-pruned.png"):
        assert (tmp_path / name).stat().st_size > 0


def test_a_packed_file_is_reported_as_it_was(path):
    packed = path.with_suffix(".csv.xz")
    packed.write_bytes(lzma.compress(path.read_bytes()))
    assert report(packed) == report(path)


def test_the_command_writes_both_files(path):
    main([str(path)])
    assert path.with_suffix(".md").read_text() == report(path)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
