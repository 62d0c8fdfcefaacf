from __future__ import annotations

import pytest

from optuna_meta.weights.fine_tuning.early_stopping import BestWeights
from tests.weights.fine_tuning.toys import changed
from tests.weights.fine_tuning.toys import copied
from tests.weights.fine_tuning.toys import network
from tests.weights.fine_tuning.toys import train


@pytest.mark.parametrize("maximize", [False, True])
def test_the_best_weights_come_back(maximize: bool) -> None:
    model = network()
    best = BestWeights(model, patience=2, maximize=maximize)
    states = []
    values = [3.0, 1.0, float("nan"), 2.0]
    for value in values:
        train(model, 1)
        states.append(copied(model))
        assert not best.should_stop
        best.update(-value if maximize else value)
    assert best.should_stop and best.step == 1
    assert best.value == (-1.0 if maximize else 1.0)
    best.restore()
    assert not changed(model, states[1])
    train(model, 1)
    best.restore()
    assert not changed(model, states[1])


def test_small_gains_do_not_count_and_nothing_finite_is_told() -> None:
    best = BestWeights(network(), patience=3, least_gain=0.1)
    assert [best.update(value) for value in (1.0, 0.95, 0.85)] == [True, False, True]
    empty = BestWeights(network())
    assert not empty.update(float("nan"))
    with pytest.raises(ValueError, match="None of the 1 values was finite"):
        empty.restore()
    with pytest.raises(ValueError, match="patience must be positive"):
        BestWeights(network(), patience=0)
