"""The check of the estimate of what a study saved, in its smallest form."""

import numpy as np

from benchmarks.saving import validation
from optuna_meta.replay import Saving


def saving(*needed: float, limit: int = 20) -> Saving:
    return Saving(5, 0.5, np.array(needed), limit)


def test_a_job_estimates_and_runs_cold_starts(monkeypatch):
    monkeypatch.setattr(validation, "_PRIOR_TRIALS", 4)
    monkeypatch.setattr(validation, "_MOST_NEEDED", 6)
    pair = validation.measured(validation.Job("mixed", "1", 0, 4, 1))
    assert pair.estimated.is_estimate and not pair.real.is_estimate
    assert pair.estimated.value == pair.real.value and pair.real.limit == 6


def test_the_summary_tells_bias_and_coverage():
    good = validation.Pair(saving(8, 10, 12), saving(9, 10, 11))
    assert "1.00 in the geometric mean" in validation.summary([good, good])
    assert "hold 100% of 6 real cold starts" in validation.summary([good, good])
    low = validation.Pair(saving(5, 5, 5), saving(10, np.inf, np.inf))
    assert "0.25 in the geometric mean" in validation.summary([low, low])
    assert "hold 0% of 6" in validation.summary([low, low])
