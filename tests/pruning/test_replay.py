"""Replays tell of each trial whether it improved, and where it stood by others' curves alone."""

from __future__ import annotations

import numpy as np

from optuna_meta.outcomes.curves import Curves
from optuna_meta.pruning.replay import Replay
from optuna_meta.pruning.replay import replayed


def curves(n: int = 12, n_steps: int = 8, scale: float = 1.0) -> tuple[Curves, np.ndarray]:
    finals = np.random.default_rng(1).permutation(n) * scale
    values = finals[:, None] + np.linspace(n * scale, 0.0, n_steps)
    steps = np.arange(1.0, n_steps + 1.0)
    return Curves(steps, values, np.ones(n, dtype=bool), np.full(n, np.nan)), finals[:, None]


def test_a_trial_improved_if_it_ended_below_all_before_it() -> None:
    replay = replayed([(c := curves())[0]], c[1], n_orders=3)
    assert replay is not None
    assert len(replay) == 3 * 11
    finals = c[1][replay.trials, 0]
    order = finals[:11]
    # The first trial of the order met none: it is the one that is missing.
    first = np.setdiff1d(np.arange(12), finals[:11])[0]
    expected = order < np.minimum.accumulate(np.r_[first, order[:-1]])
    np.testing.assert_array_equal(replay.improved[:11], expected)


def test_scales_do_not_matter() -> None:
    small, large = (replayed([c], f, 2) for c, f in (curves(), curves(scale=1e6)))
    assert small is not None and large is not None
    np.testing.assert_allclose(small.X, large.X, rtol=1e-9)


def test_stopped_trials_and_those_without_reports_are_left_out() -> None:
    known, finals = curves()
    values, complete = known.values.copy(), known.complete.copy()
    values[3], complete[5] = np.nan, False
    replay = replayed([Curves(known.steps, values, complete, known.seconds)], finals, 2)
    assert replay is not None
    assert not {3, 5} & set(replay.trials.tolist())


def test_records_are_of_the_best_if_so_asked() -> None:
    known, finals = curves(40)
    replay = replayed([known], finals, 8)
    assert replay is not None
    of_top = replay.records(of_top=True)
    assert 0 < len(of_top) < len(replay.records(of_top=False))
    assert finals[of_top.trials].max() < 4


def test_nothing_to_play_is_none() -> None:
    known, finals = curves(12, 1)
    assert replayed([known], finals, 2) is None
    known, finals = curves(1)
    assert replayed([known], finals, 2) is None


def test_studies_of_any_length_join() -> None:
    parts = [replayed([c], f, 2, i) for i, (c, f) in enumerate([curves(5, 2), curves(9, 30)])]
    joined = Replay.joined([part for part in parts if part])
    assert len(joined) == sum(len(part) for part in parts if part)
    assert set(joined.studies.tolist()) == {0, 1}
