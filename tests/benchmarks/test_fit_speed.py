from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.cost import fit_prior as fit_speed
from optuna_meta import Prior


def test_copied_studies_have_the_trials_and_values_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_speed, "_WRITTEN_BY_OPTUNA", 2)
    fit_speed.write_studies(tmp_path / "studies.db", 5, 4)
    prior = Prior.from_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    assert prior.names == tuple(f"bowl-{number}" for number in range(5))
    for number, task in enumerate(prior.tasks):
        source = prior.tasks[number % 2]
        np.testing.assert_array_equal(task.rows, source.rows)
        ratio = task.values / source.values
        assert (ratio >= 0.8).all() and (ratio <= 1.2).all() and len(ratio) == 4
        assert (number < 2) == (ratio == 1.0).all()


def test_a_line_of_the_table_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    timing = fit_speed.measure_fit(fit_speed._Work(n_studies=2, n_trials=3))
    assert timing.n_studies == 2 and min(timing.read, timing.fit, timing.first) > 0.0
    assert 50.0 < timing.memory_read <= timing.memory_fit < 4000.0
    head = fit_speed._line(timing)
    assert head.count("|") == 10 and f"{timing.fit / timing.read:.2f}" in head
