from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.weights import inputs
from benchmarks.weights.domains import images
from benchmarks.weights.inputs import Outcome
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining


def test_each_kind_is_what_its_name_says() -> None:
    x = np.linspace(0.0, 1.0, 2 * 64).reshape(2, 1, 8, 8).astype(np.float32)
    made = {kind: change(x, np.random.default_rng(0)) for kind, change in inputs.KINDS.items()}
    assert made["times 255"].max() == 255.0 and made["plus 5"].min() == 5.0
    assert made["inverted"][0, 0, 0, 0] == 1.0 and made["plain"] is x
    assert made["standardised"].mean() == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(
        made["each image standardised"].std((1, 2, 3)), [1.0, 1.0], rtol=1e-5
    )
    assert made["times 10, minus 3"].max() == 7.0


def test_a_start_is_ranked_and_trained_to_its_end() -> None:
    domain = images.digits(Path(), 2, 0, {"plus 5": inputs.KINDS["plus 5"]})
    domain = domain._replace(checks=(0, 2), rates=(1e-3,), prior_steps=2)
    quick = ShortTraining(steps=2, folds=2, rates=(4e-3,))
    (found,) = inputs.measure(domain, 0, ShortlistThenTrain(shortlist=1, short_training=quick))
    assert found.kind == "plus 5" and len(found.chosen) == 2 and -1.0 < found.gain < 1.0


def test_the_table_tells_what_was_chosen_and_how_it_ended() -> None:
    outcomes = [
        Outcome("plus 5", (True, False), 0.1),
        Outcome("plus 5", (True, False), -0.1),
        Outcome("inverted", (False, True), 0.02),
    ]
    lines = [*inputs.report(outcomes)]
    assert lines[2:] == [
        "| plus 5 | 2 | +0.000 ± 0.100, lowest -0.100 "
        "| 2 | +0.000 ± 0.100, lowest -0.100 | 0 |  |",
        "| inverted | 1 | +0.020, lowest +0.020 | 0 |  | 1 | +0.020, lowest +0.020 |",
    ]
    assert len({line.count("|") for line in lines}) == 1
