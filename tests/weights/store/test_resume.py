from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState
import pytest
import torch
from torch import nn

from optuna_meta.weights import CheckpointStore
from tests.weights.toys import files_of
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import steps
from tests.weights.toys import store_in


RATE = {"rate": 0.05}


def weights_of(store: CheckpointStore, trial: int, study: optuna.Study) -> dict[str, torch.Tensor]:
    """The weights that a trial saved last."""
    record = max(
        (r for r in store.records(study) if r.trial == trial), key=lambda record: record.saved
    )
    return dict(store.load(record).state)


@pytest.mark.parametrize("how", ["enqueued", "failed", "retried"])
def test_a_resumed_trial_ends_like_one_that_never_stopped(tmp_path: Path, how: str) -> None:
    store = store_in(tmp_path)
    whole = optuna.create_study(study_name="whole")
    whole.enqueue_trial(RATE)
    whole.optimize(steps(store, None), n_trials=1)

    study = optuna.create_study(study_name="stopped")
    study.enqueue_trial(RATE)
    error = RuntimeError if how in ("failed", "retried") else optuna.TrialPruned
    study.optimize(steps(store, 2, error), n_trials=1, catch=RuntimeError)
    (stopped,) = study.trials
    assert stopped.state == (TrialState.FAIL if error is RuntimeError else TrialState.PRUNED)
    if how == "retried":
        optuna.storages.RetryHeartbeatStaleTrialCallback()(study, stopped)
    else:
        study.enqueue_trial(stopped.params)
    study.optimize(steps(store, 2), n_trials=1)

    assert study.trials[1].user_attrs["start"] == 3
    assert study.trials[1].value == whole.trials[0].value
    expected, found = weights_of(store, 0, whole), weights_of(store, 1, study)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_trial_that_repeats_none_starts_anew(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(RATE)
    study.optimize(steps(store, 2), n_trials=1)
    study.enqueue_trial({"rate": 0.06})
    study.optimize(steps(store, None), n_trials=2)
    assert [trial.user_attrs["start"] for trial in study.trials] == [0, 0, 0]


def test_only_the_last_training_state_is_kept_until_the_trial_is_complete(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study()
    study.enqueue_trial(RATE)
    study.optimize(steps(store, 2), n_trials=1)
    records = sorted(store.records(study), key=lambda record: record.saved)
    assert [record.training is not None for record in records] == [False] * 2 + [True]
    assert len(files_of(tmp_path)) == 4
    study.enqueue_trial(RATE)
    study.optimize(steps(store, None), n_trials=1)
    assert [record.step for record in store.records(study) if record.training] == [2]
    assert len(files_of(tmp_path)) == 8
    store.prune(study)
    assert len(files_of(tmp_path)) == 7 and store.verify(study).ok
    assert len([record for record in store.records(study) if record.training]) == 1


def test_retries_go_on_under_save_top_k(tmp_path: Path) -> None:
    """Other trials' better checkpoints do not push out what a waiting trial goes on from."""
    store = store_in(tmp_path, save_top_k=1)
    study = saved(store, [0.0])
    study.enqueue_trial(RATE)
    study.optimize(steps(store, 2, RuntimeError), n_trials=1, catch=RuntimeError)
    optuna.storages.RetryHeartbeatStaleTrialCallback()(study, study.trials[1])
    store.prune(study)
    assert [record.trial for record in store.records(study)] == [0, 1]
    study.optimize(steps(store, 2), n_trials=1)
    assert study.trials[2].user_attrs["start"] == 3
    store.prune(study)
    assert [record.trial for record in store.records(study)] == [0]
    assert len(files_of(tmp_path)) == 1


def test_a_failed_trial_keeps_its_last_checkpoint_until_it_was_retried(tmp_path: Path) -> None:
    store = store_in(tmp_path, save_top_k=1)
    study = optuna.create_study()
    study.enqueue_trial(RATE)
    study.optimize(steps(store, 2, RuntimeError), n_trials=1, catch=RuntimeError)
    study.enqueue_trial({"rate": 0.06})
    study.optimize(steps(store, None), n_trials=1)
    assert 0 in [record.trial for record in store.records(study)]
    study.enqueue_trial(RATE)
    study.optimize(steps(store, 2), n_trials=1)
    assert study.trials[2].user_attrs["start"] == 3
    store.prune(study)
    assert len({record.trial for record in store.records(study)}) == 1


def test_a_trial_leaves_the_files_of_another_study_alone(tmp_path: Path) -> None:
    """It has the same number, and the attributes of the one it goes on from."""
    store = store_in(tmp_path)
    study = optuna.create_study(study_name="a")
    study.enqueue_trial(RATE)
    study.optimize(steps(store, 2), n_trials=1)
    other = optuna.create_study(study_name="b")
    state, attributes = TrialState.WAITING, study.trials[0].system_attrs
    other.add_trial(optuna.trial.create_trial(state=state, system_attrs=attributes))
    other.optimize(steps(store, 2), n_trials=1)
    assert other.trials[0].user_attrs["start"] == 3
    assert store.verify(study).ok and store.verify(other).ok


def test_a_damaged_last_checkpoint_is_passed_over(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study()
    trial = study.ask()
    model = linear(0.25)
    store.save(trial, model, step=1)
    last = store.save(trial, linear(0.5), step=2)
    path = tmp_path / last.weights.artifact_id
    path.write_bytes(path.read_bytes()[:-1])
    fresh = linear(0.0)
    with pytest.warns(UserWarning, match="does not go on from it: .* step 2 .* truncated"):
        resumed = store.resume(trial, fresh)
    assert resumed is not None and resumed.step == 1
    assert torch.equal(fresh.weight, model.weight)


def test_another_model_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    trial = optuna.create_study().ask()
    store.save(trial, linear(0.5), optimizer=torch.optim.SGD(linear().parameters(), lr=0.1))
    wider = linear(0.0, n=4)
    message = r"(?s)only with the model .*weight is \(1, 4\).*in the model, \(1, 3\)"
    with pytest.raises(ValueError, match=message):
        store.resume(trial, wider)
    assert torch.equal(wider.weight, linear(0.0, n=4).weight)
    with pytest.raises(ValueError, match="0.weight is .* in the model, absent in the checkpoint"):
        store.resume(trial, nn.Sequential(linear()))
    with pytest.raises(ValueError, match="weight is .* float64 in the model"):
        store.resume(trial, linear().double())
    model = linear()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(torch.optim.SGD(model.parameters()), 0.5)
    with pytest.raises(ValueError, match="no state of the scheduler: pass it to save"):
        store.resume(trial, model, None, scheduler)
    assert torch.equal(model.weight, linear().weight)


def test_without_a_checkpoint_nothing_changes(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    trial = optuna.create_study().ask()
    model = linear(0.5)
    assert store.resume(trial, model) is None
    store.save(trial, linear(0.1))  # Without the optimizer's state.
    optimizer = torch.optim.Adam(model.parameters())
    assert store.resume(trial, model, optimizer) is None
    assert torch.equal(model.weight, linear(0.5).weight)


def test_an_optimizer_that_only_a_pickle_could_hold_is_refused(tmp_path: Path) -> None:
    class Odd(torch.optim.SGD):
        def state_dict(self) -> dict[str, object]:
            return {"odd": object()}

    model = linear()
    with pytest.raises(ValueError, match="training.optimizer.odd is of type object"):
        store_in(tmp_path).save(
            optuna.create_study().ask(), model, optimizer=Odd(model.parameters())
        )
    assert not files_of(tmp_path)
