"""Trials in the ``Trainer`` of ``transformers``."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
import weakref

import optuna
import torch
from transformers import Trainer
from transformers import TrainerCallback
from transformers import TrainerControl
from transformers import TrainerState
from transformers import TrainingArguments
from transformers.trainer_callback import ExportableState

from optuna_meta.weights.integrations.tracked import Initialize
from optuna_meta.weights.integrations.tracked import Start
from optuna_meta.weights.integrations.tracked import TrackedTrial
from optuna_meta.weights.store.random_state import RandomState
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.warm_start.initialize import initialize


__all__ = ["TransformersCallback"]

_PART = "transformers.Trainer"


class TransformersCallback(TrainerCallback):
    """A trial's training by ``Trainer``: started, saved, reported, pruned and resumed.

    Each evaluation saves the model with all that the trainer goes on with, and reports the metric
    at the trainer's global step. The trainer's own checkpoints are not needed.

    Args:
        trial: The running trial.
        store: Where checkpoints go.
        monitor: Name of the metric that the study optimises. ``None`` saves at the end of each
            epoch, without a value.
        start: A checkpoint or candidate to start from; ``None`` is the model's own
            initialisation. One that resumes does not start again.
        start_by: Puts the start into the model, such as ``functools.partial(initialize,
            head=["classifier"])``.
        tags: Words to know the checkpoints by.
        trainable_only: Whether to save only what is trained, such as the adapter of a PEFT model.

    Example:
        .. code-block:: python

            def objective(trial):
                args = TrainingArguments("out", eval_strategy="epoch", save_strategy="no")
                callback = TransformersCallback(trial, store, start=ranking.trained)
                trainer = Trainer(build(), args, ..., callbacks=[callback])
                trainer.train(resume_from_checkpoint=callback.resume(trainer))
                return trainer.evaluate()["eval_loss"]
    """

    def __init__(
        self,
        trial: optuna.Trial,
        store: CheckpointStore,
        *,
        monitor: str | None = "eval_loss",
        start: Start = None,
        start_by: Initialize = initialize,
        tags: Sequence[str] = (),
        trainable_only: bool = False,
    ) -> None:
        self._tracked = TrackedTrial(trial, store, monitor, start, start_by, tags, trainable_only)
        self._folder: TemporaryDirectory[str] | None = None
        self._trains = False
        self._trainer: weakref.ref[Trainer] | None = None

    def resume(self, trainer: Trainer) -> str | None:
        """Put the trainer's model where the trial that this one continues had stopped.

        Returns:
            A folder for ``trainer.train(resume_from_checkpoint=...)``, which is removed once it
            has been read; ``None`` where there is nothing to go on from.
        """
        # Behind the others, whose states it saves as an evaluation has left them.
        trainer.remove_callback(self)
        trainer.add_callback(self)
        self._trainer = weakref.ref(trainer)  # Which has this callback: models are freed at once.
        parts: dict[str, Any] = {_PART: None}
        if self._tracked.resume(trainer.model, parts) is None:
            return None
        self._folder = self._tracked.folder()
        folder = Path(self._folder.name)
        trainer.save_model(str(folder))  # In the format that it reads.
        _write(folder, parts[_PART])
        _put_back(_exportable(trainer), parts[_PART]["state"]["stateful_callbacks"])
        return str(folder)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start from the checkpoint, unless the training goes on."""
        self._trains = True
        if state.global_step == 0:
            self._tracked.begin(kwargs["model"])

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        """Save, report and prune."""
        monitor = self._tracked.monitor
        # Of several evaluation sets, each is told of alone, by names that begin with its own.
        prefix = next((n.removesuffix("runtime") for n in metrics if n.endswith("_runtime")), "")
        if self._trains and monitor is not None and monitor.startswith(prefix):
            best = _best_metric(args, state, metrics)
            self._keep(replace(state, best_metric=best), metrics, kwargs)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Save where there is no metric to wait for."""
        self._clean_up()
        if self._tracked.monitor is None:
            self._keep(state, {}, kwargs)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take no evaluation after the training for one of it."""
        self._clean_up()
        self._trains = False

    def _keep(
        self, state: TrainerState, metrics: Mapping[str, Any], kwargs: Mapping[str, Any]
    ) -> None:
        if not state.is_world_process_zero:
            return
        trainer = self._trainer and self._trainer()
        others = _exportable(trainer) if trainer is not None else []
        parts = {
            "state": asdict(replace(state, stateful_callbacks=others)),
            "optimizer": kwargs["optimizer"].state_dict(),
            "scheduler": kwargs["lr_scheduler"].state_dict(),
            "random": RandomState().state_dict(),
        }
        if (scaler := getattr(kwargs["optimizer"], "scaler", None)) is not None:
            parts["scaler"] = scaler.state_dict()
        self._tracked.keep(kwargs["model"], metrics, state.global_step, {_PART: parts})

    def _clean_up(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _exportable(trainer: Trainer) -> list[Any]:
    """Return the callbacks that tell their state, such as early stopping."""
    return [c for c in trainer.callback_handler.callbacks if isinstance(c, ExportableState)]


def _put_back(callbacks: Sequence[Any], states: Mapping[str, Any]) -> None:
    """Give callbacks the states, by class, that were saved; the trainer does so only if asked."""
    left = {n: list(each) if isinstance(each, list) else [each] for n, each in states.items()}
    for callback in callbacks:
        for state in left.get(type(callback).__name__, [])[:1]:
            left[type(callback).__name__].pop(0)
            for name, value in state["attributes"].items():
                setattr(callback, name, value)


def _best_metric(args: TrainingArguments, state: TrainerState, metrics: Mapping[str, Any]) -> Any:
    """Return the best value of early stopping's metric, which the trainer updates afterwards."""
    name, best = args.metric_for_best_model, state.best_metric
    value = metrics.get(f"eval_{(name or '').removeprefix('eval_')}")
    if name is not None and value is not None and value == value:
        better = max if args.greater_is_better else min
        best = float(value) if best is None else float(better(value, best))
    return best


def _write(folder: Path, parts: Mapping[str, Any]) -> None:
    """Write what the trainer reads beside the model, under its own names."""
    TrainerState(**parts["state"]).save_to_json(str(folder / "trainer_state.json"))
    for name in ("optimizer", "scheduler", "scaler"):
        if name in parts:
            torch.save(parts[name], folder / f"{name}.pt")
    random = dict(parts["random"])
    random["cpu"] = random.pop("torch")
    if "cuda" in random:  # Of one process, which has one device.
        random["cuda"] = random["cuda"][torch.cuda.current_device()]
    torch.save(random, folder / "rng_state.pth")
