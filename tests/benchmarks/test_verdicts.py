"""Verdicts, worst deciles and budgets in epochs, on frames small enough to work out by hand."""

import math

import pytest


pd = pytest.importorskip("pandas")

from benchmarks.methods import methods  # noqa: E402
from benchmarks.report.summary import beside  # noqa: E402
from benchmarks.report.summary import common  # noqa: E402
from benchmarks.report.summary import compare  # noqa: E402
from benchmarks.report.summary import in_regime  # noqa: E402
from benchmarks.report.summary import partial_methods  # noqa: E402
from benchmarks.report.summary import rank_by_task  # noqa: E402
from benchmarks.report.summary import regret_by_cost  # noqa: E402
from benchmarks.report.summary import regret_by_task  # noqa: E402
from benchmarks.report.verdicts import early_wins  # noqa: E402
from benchmarks.report.verdicts import reliability  # noqa: E402
from benchmarks.report.verdicts import tail  # noqa: E402


def frame(runs, costs=None):
    """Rows of ``{(family, task, seed, regime, method): regrets}``."""
    rows = [
        ("toy", *key, trial, regret, (costs or {}).get(key, [1.0] * 99)[trial - 1])
        for key, regrets in runs.items()
        for trial, regret in enumerate(regrets, start=1)
    ]
    columns = ["suite", "family", "task", "seed", "regime", "method", "trial", "regret_so_far"]
    return pd.DataFrame(rows, columns=[*columns, "cost"])


def ranked(**by_method):
    """Ranks at trial 1 of tasks A, B, ... by method, from their regrets."""
    runs = {
        ("f", task, 0, "base", method): [regret]
        for method, regrets in by_method.items()
        for task, regret in zip("ABCD", regrets, strict=False)
    }
    return rank_by_task(frame(runs))


def test_the_best_mean_rank_is_a_yes_and_so_is_an_equal_one():
    assert reliability(ranked(meta=[1, 1, 3], gp=[2, 2, 2]), "meta", 1).verdict == "yes"
    equal = reliability(ranked(meta=[1, 2], gp=[2, 1]), "meta", 1)
    assert (equal.verdict, equal.rank, equal.best, equal.best_rank) == ("yes", 1.5, "gp", 1.5)
    assert str(equal) == "yes (1.50; gp 1.50)"
    assert reliability(ranked(meta=[1, 1], gp=[1, 1]), "meta", 1).rank == 1.5


def test_a_tie_is_behind_by_no_more_than_one_standard_error():
    # Rank differences 1, 1, -1 have mean 1/3 and standard error 2/3.
    assert reliability(ranked(meta=[2, 2, 1], gp=[1, 1, 2]), "meta", 1).verdict == "tie"
    # Differences 1, 1, 1, -1 have mean 1/2 and standard error 1/2.
    assert reliability(ranked(meta=[2, 2, 2, 1], gp=[1, 1, 1, 2]), "meta", 1).verdict == "tie"
    # Differences 1, 1, 1 have mean 1 and standard error 0.
    assert reliability(ranked(meta=[2, 2, 2], gp=[1, 1, 1]), "meta", 1).verdict == "no"
    assert reliability(ranked(meta=[2], gp=[1]), "meta", 1).verdict == "no"  # no error to allow


def test_the_worst_decile_is_over_runs():
    runs = {("f", "A", seed, "base", "meta"): [seed / 10] for seed in range(11)}
    runs |= {("f", "A", seed, "base", "gp"): [seed / 20] for seed in range(11)}
    runs |= {("f", "B", 0, "base", "meta"): [99.0]}  # which the other one did not do
    worst = tail(frame(runs), "meta", "gp", 1)
    assert worst == pytest.approx((0.9, 0.45))
    assert worst.ratio == pytest.approx(2.0)


def test_ratios_of_nothing():
    def ratio(ours, theirs):
        runs = {("f", "A", 0, "base", m): [r] for m, r in (("meta", ours), ("gp", theirs))}
        return tail(frame(runs), "meta", "gp", 1).ratio

    assert ratio(0.0, 0.0) == 1.0
    assert ratio(0.5, 0.0) == math.inf


def test_early_is_compared_with_the_best_of_the_others_later():
    runs = {
        ("f", "A", 0, "base", "meta"): [0.3, 0.1],
        ("f", "A", 0, "shared", "gp"): [0.9, 0.4],
        ("f", "A", 0, "shared", "tpe"): [0.9, 0.2],
        ("g", "A", 0, "base", "meta"): [0.3, 0.1],
    }
    wins = early_wins(frame(runs), "meta", 1, ["gp", "tpe", "random"], 2)
    assert wins == {"f": (0.3, "tpe", 0.2)}


def test_regret_by_cost_counts_what_the_budget_has_paid():
    key = ("f", "A", 0, "base", "meta")
    rows = frame({key: [0.9, 0.9, 0.5, 0.2]}, {key: [52, 4, 8, 52]})
    by_cost = regret_by_cost(rows, [10, 52, 63, 64, 115, 116, 999])
    assert by_cost.loc[("f", "A", "meta")].tolist() == [0.9, 0.9, 0.9, 0.5, 0.5, 0.2, 0.2]


def runs_of(method, n, regime="base", family="f"):
    return {(family, "A", seed, regime, method): [0.1] for seed in range(n)}


def test_methods_with_few_runs_are_apart(monkeypatch):
    rows = frame(runs_of("meta", 4) | runs_of("gp", 4, "shared") | runs_of("slow", 1))
    assert partial_methods(rows, "base") == [("f", "slow")]
    assert set(in_regime(rows, "base")["method"]) == {"meta", "gp"}
    assert len(in_regime(rows, "base")) == 8
    part = beside(rows, "base", "slow", ["meta", "gp"])
    assert sorted(part["method"]) == ["gp", "meta", "slow"]
    limited = methods.METHODS["gp"]._replace(limits=methods.COSTLY)
    monkeypatch.setitem(methods.METHODS, "gp", limited)
    assert ("f", "gp") in partial_methods(rows, "base")


def test_more_replicates_of_cold_runs_leave_the_others_in():
    own = runs_of("meta", 2, "half-permuted") | runs_of("rgpe", 1, "half-permuted")
    rows = frame(own | runs_of("gp", 5, "shared"))
    assert partial_methods(rows, "half-permuted") == []
    assert set(in_regime(rows, "half-permuted")["method"]) == {"meta", "gp", "rgpe"}


def test_cold_runs_count_only_where_the_target_is_the_same():
    rows = frame(
        runs_of("meta", 2, "noise")
        | runs_of("gp", 2, "noise")
        | runs_of("meta", 2)
        | runs_of("tpe", 2, "shared")
    )
    assert set(in_regime(rows, "noise")["method"]) == {"meta", "gp"}
    assert set(in_regime(rows, "base")["method"]) == {"meta", "tpe"}


def test_a_method_that_cannot_serve_a_family_leaves_its_runs_to_the_others():
    rows = frame(
        runs_of("meta", 2)
        | runs_of("cmaes", 2)
        | runs_of("meta", 2, family="g")
        | runs_of("gp", 2, "shared", "g")
        | runs_of("gp", 2, "shared")
    )
    part = in_regime(rows, "base")
    assert set(part[part["family"] == "g"]["method"]) == {"meta", "gp"}
    assert set(common(part)["method"]) == {"meta", "gp"}
    duel = compare(regret_by_task(part), "meta", 1, "cmaes")
    assert (duel.wins, duel.ties, duel.losses) == (0, 1, 0)  # on the family of both
