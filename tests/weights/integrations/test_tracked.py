from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import initialize
from optuna_meta.weights.integrations.tracked import TrackedTrial
from optuna_meta.weights.warm_start.report import WEIGHTS_FROM_KEY
from tests.weights.toys import linear
from tests.weights.toys import store_in


def test_an_enqueued_trial_tells_where_the_weights_it_goes_on_with_came_from(
    tmp_path: Path,
) -> None:
    study, store = optuna.create_study(), store_in(tmp_path)
    start = Checkpoint.from_model(linear(1.0))

    def tracked() -> TrackedTrial:
        trial = study.ask()
        trial.suggest_float("rate", 0.0, 1.0)
        return TrackedTrial(trial, store, None, start, initialize)

    first, model = tracked(), linear()
    first.begin(model)
    first.keep(model, {}, 1, {"epoch": 1})
    study.tell(first.trial, state=TrialState.FAIL)
    study.enqueue_trial(first.trial.params)
    second, other = tracked(), linear()
    record = second.resume(other, {"epoch": None})
    assert record is not None and other.bias.item() == 1.0
    of_first, of_second = (trial.user_attrs.get(WEIGHTS_FROM_KEY) for trial in study.trials)
    assert of_first is not None and of_second == of_first
