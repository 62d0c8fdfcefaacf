"""Trials in the real ``Trainer``, on a small BERT of random weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn


transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from optuna_meta.weights import CheckpointStore  # noqa: E402
from optuna_meta.weights import initialize  # noqa: E402
from optuna_meta.weights.integrations import TransformersCallback  # noqa: E402
from tests.weights.integrations.models import batch_for  # noqa: E402
from tests.weights.integrations.models import bert  # noqa: E402
from tests.weights.integrations.toys import assert_equal  # noqa: E402
from tests.weights.integrations.toys import continued  # noqa: E402
from tests.weights.integrations.toys import Stopped  # noqa: E402
from tests.weights.toys import store_in  # noqa: E402


def examples(seed: int = 0) -> list[dict[str, torch.Tensor]]:
    batch = batch_for("bert", seed=seed)
    return [{name: part[i] for name, part in batch.items()} for i in range(len(batch["labels"]))]


class StopAfter(transformers.TrainerCallback):  # type: ignore[misc]
    """Ends the process, so to speak, in the middle of an epoch."""

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.epochs is not None and state.epoch > self.epochs + 0.5:
            raise Stopped


def trainer_for(
    folder: Path,
    callback: Any,
    *others: Any,
    rate: float = 1e-2,
    build: Callable[[], nn.Module] = bert,
    **options: Any,
) -> Any:
    options = {"eval_strategy": "epoch", "num_train_epochs": 4, **options}
    arguments = transformers.TrainingArguments(
        str(folder / "out"),
        per_device_train_batch_size=8,
        learning_rate=rate,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **options,
    )
    transformers.set_seed(0)
    return transformers.Trainer(
        build(),
        arguments,
        train_dataset=examples(),
        eval_dataset=examples(1),
        callbacks=[callback, *others],
    )


def train(trial: optuna.Trial, store: CheckpointStore, folder: Path, stop: int | None) -> Any:
    callback = TransformersCallback(trial, store)
    trainer = trainer_for(folder, callback, StopAfter(stop), rate=trial.params["rate"])
    trainer.train(resume_from_checkpoint=callback.resume(trainer))
    return trainer


def test_a_resumed_training_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    store, steps = store_in(tmp_path / "store"), []

    def objective(trial: optuna.Trial, stop: int | None) -> nn.Module:
        trainer = train(trial, store, tmp_path, stop)
        steps.append(trainer.state.global_step)
        model: nn.Module = trainer.model
        return model

    whole, resumed, study = continued(objective, stop_after=2)
    assert_equal(whole, resumed)
    assert steps == [12, 12]
    assert sorted(study.trials[0].intermediate_values) == [3, 6]
    assert sorted(study.trials[1].intermediate_values) == [9, 12]
    assert not [*tmp_path.glob("**/optimizer.pt")]


@pytest.mark.parametrize("epochs", [1, 2])
def test_early_stopping_goes_on_to_count(tmp_path: Path, epochs: int) -> None:
    """Of a loss that is to rise and falls, each is a miss but the first."""
    store, steps = store_in(tmp_path / "store"), []

    def objective(trial: optuna.Trial, stop: int | None) -> nn.Module:
        patience = transformers.EarlyStoppingCallback(3)
        wanted = {"metric_for_best_model": "eval_loss", "greater_is_better": True}
        callback, stopper = TransformersCallback(trial, store), StopAfter(stop)
        options = {**wanted, "num_train_epochs": 8, "rate": trial.params["rate"]}
        trainer = trainer_for(tmp_path, callback, stopper, patience, **options)
        trainer.train(resume_from_checkpoint=callback.resume(trainer))
        steps.append((trainer.state.global_step, patience.early_stopping_patience_counter))
        model: nn.Module = trainer.model
        return model

    whole, resumed, _ = continued(objective, stop_after=epochs)
    assert steps == [(12, 3), (12, 3)]
    assert_equal(whole, resumed)


def test_it_starts_from_a_checkpoint_and_tells(tmp_path: Path) -> None:
    store, study = store_in(tmp_path / "store"), optuna.create_study(study_name="prior")
    study.optimize(lambda trial: store.save(trial, bert(labels=5), value=0.1).value or 0.0, 1)
    source, target = store.load(store.records(study)[0]), optuna.create_study()
    trial = target.ask()
    callback = TransformersCallback(
        trial, store, start=source, start_by=partial(initialize, head=["classifier"])
    )
    trainer = trainer_for(tmp_path, callback, num_train_epochs=0.01, rate=0.0)
    trainer.train()
    embeddings = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(trainer.model.state_dict()[embeddings], source.state[embeddings])
    attributes = target.trials[0].user_attrs["optuna_meta:weights_from"]
    assert attributes["sources"][0]["study"] == "prior" and attributes["left_out"] == 2


def test_it_prunes_with_the_checkpoint_saved(tmp_path: Path) -> None:
    store = store_in(tmp_path / "store")
    pruner = optuna.pruners.ThresholdPruner(upper=0.0)
    study = optuna.create_study(pruner=pruner)

    def objective(trial: optuna.Trial) -> float:
        trainer_for(tmp_path, TransformersCallback(trial, store)).train()
        return 0.0

    study.optimize(objective, 1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    (record,) = store.records(study)
    assert record.step == 3 and record.value == trial.intermediate_values[3]


def test_a_metric_that_is_not_there_is_told_and_none_is_no_metric(tmp_path: Path) -> None:
    store, study = store_in(tmp_path / "store"), optuna.create_study()
    callback = TransformersCallback(study.ask(), store, monitor="eval_accuracy")
    with pytest.raises(ValueError, match="no metric 'eval_accuracy' .* eval_loss"):
        trainer_for(tmp_path, callback).train()
    trainer_for(
        tmp_path,
        TransformersCallback(study.ask(), store, monitor=None),
        eval_strategy="no",
        num_train_epochs=2,
    ).train()
    assert [(r.step, r.value) for r in store.records(study)] == [(3, None), (6, None)]
