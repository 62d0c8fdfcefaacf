"""The table and the verdicts of the applications, on studies whose outcome is known."""

from __future__ import annotations

from dataclasses import replace
import math
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from examples.common import Application
from examples.common import Options
from examples.common.results import best_so_far
from examples.common.results import Run
from examples.common.results import write_results


def never(*_: object) -> float:
    raise AssertionError("It must not be called.")


SINGLE = Application(
    name="toy",
    score="loss",
    directions=["minimize"],
    objective=never,
    features=lambda task: {},
    final=never,
)


def trial(*values: float) -> optuna.trial.FrozenTrial:
    """A finished trial; a pruned one without values."""
    state = TrialState.COMPLETE if values else TrialState.PRUNED
    return optuna.trial.create_trial(state=state, values=values or None)


def run(way: str, seed: int, best: list[float], test: float) -> Run:
    """A study whose trials take a second each."""
    n = len(best)
    return Run(way, seed, np.array(best), np.arange(1.0, n + 1.0), {"test accuracy": test})


def test_a_pruned_trial_is_no_best_value() -> None:
    best = best_so_far([trial(), trial(3.0), trial(), trial(4.0), trial(2.0)], SINGLE)
    assert math.isnan(best[0]) and best[1:].tolist() == [3.0, 3.0, 3.0, 2.0]


def test_the_greatest_value_is_best_where_it_is_to_be() -> None:
    greatest = replace(SINGLE, directions=["maximize"])
    assert best_so_far([trial(1.0), trial(3.0), trial(2.0)], greatest).tolist() == [1.0, 3.0, 3.0]


def test_of_two_objectives_the_dominated_area_counts() -> None:
    two = replace(SINGLE, directions=["minimize", "maximize"], least_gain=[4.0, 0.0])
    trials = [trial(3.0, 1.0), trial(1.0, 0.5), trial(3.5, 0.9), trial(5.0, 9.0), trial()]
    # A step of 1 x 1, and one of 3 x 0.5 of which 1 x 0.5 is in the first; the others add nothing.
    assert best_so_far(trials, two).tolist() == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0])


def test_the_table_tells_trials_and_seconds_to_what_no_transfer_ends_with(tmp_path: Path) -> None:
    runs = []
    for seed in range(2):
        runs.append(run("transfer", seed, [2.0, 1.0, 1.0, 1.0, 0.5, 0.5], 0.9))
        runs.append(run("without", seed, [4.0, 3.0, 2.0, 2.0, 2.0, 1.0], 0.8))
        runs.append(run("unrelated", seed, [4.0, 3.0, 3.0, 3.0, 2.0, 2.0 - seed], 0.8))
    text = write_results(runs, SINGLE, Options(tmp_path))
    assert (tmp_path / "table.md").read_text() == text
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    by_way = {row[1]: row[2:5] for row in rows if len(row) > 4}
    assert by_way["transfer"] == ["2 (reached by 2 of 2)", "2", "6"]
    assert by_way["without"] == ["6 (reached by 2 of 2)", "6", "6"]
    assert by_way["unrelated"][0] == "not reached (reached by 1 of 2)"
    verdicts = [line for line in text.splitlines() if line.startswith("- ")]
    assert verdicts[0] == "- yes: at most a third of the trials: 33%"
    assert verdicts[1] == "- yes: at most half of the seconds: 33%"
    assert verdicts[2] == "- yes: test score not worse: by 0.1000 ± 0.0000"
    # One of the two is worse by 1: a mean of -0.5, and a standard error of 0.5.
    assert verdicts[3].startswith("- yes: unrelated priors cost at most a standard error: -0.5000")


def test_what_is_not_reached_is_said(tmp_path: Path) -> None:
    runs = [run("transfer", 0, [2.0, 2.0], 0.7), run("without", 0, [2.0, 1.0], 0.8)]
    text = write_results([*runs, run("unrelated", 0, [3.0, 3.0], 0.6)], SINGLE, Options(tmp_path))
    assert text.count("**no**") == 3 and text.startswith("| 1 seed, 2 trials |")
    assert text.count("- not known, of one seed: ") == 2 and "± 0.0000" not in text
    assert "not worse: by -0.1000 ± –" in text
    assert "at most a third of the trials: not reached" in text


def test_there_is_a_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    curves = {"transfer": [2.0, 1.0], "without": [math.nan, 3.0], "unrelated": [4.0, 4.0]}
    runs = [run(way, seed, best, 0.5) for way, best in curves.items() for seed in range(2)]
    write_results(runs, SINGLE, Options(tmp_path))
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
