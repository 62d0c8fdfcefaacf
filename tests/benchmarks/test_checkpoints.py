from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cost.checkpoints import main
from benchmarks.cost.checkpoints import measure_checkpoints


def test_both_sides_are_timed_and_nothing_is_left(tmp_path: Path) -> None:
    timing = measure_checkpoints(0.1, 2, str(tmp_path))
    assert timing.megabytes == 0.1
    assert all(cost.cpu > 0.0 and cost.wall > 0.0 for cost in timing[1:])
    assert not list(tmp_path.iterdir())


def test_a_line_a_size_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--megabytes", "0.1", "0.2", "--repeats", "1"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 0.")]
    assert [line.split(" | ")[0] for line in lines] == ["| 0.1", "| 0.2"]
