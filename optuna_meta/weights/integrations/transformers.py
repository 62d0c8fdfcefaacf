"""Trials in the ``Trainer`` of ``transformers``."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import torch
from transformers import Trainer
from transformers import TrainerCallback
from transformers import TrainerControl
from transformers import TrainerState
from transformers import TrainingArguments

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

    def resume(self, trainer: Trainer) -> str | None:
        """Put the trainer's model where the trial that this one continues had stopped.

        Returns:
            A folder for ``trainer.train(resume_from_checkpoint=...)``, which is removed once it
            has been read; ``None`` where there is nothing to go on from.
        """
        parts: dict[str, Any] = {_PART: None}
        if self._tracked.resume(trainer.model, parts) is None:
            return None
        self._folder = self._tracked.folder()
        folder = Path(self._folder.name)
        trainer.save_model(str(folder))  # In the format that it reads.
        _write(folder, parts[_PART])
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
            self._keep(state, metrics, kwargs)

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
        parts = {
            "state": asdict(state),
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
