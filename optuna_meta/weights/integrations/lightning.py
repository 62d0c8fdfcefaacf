"""Trials in the ``Trainer`` of Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
import warnings

from lightning.pytorch import Callback
from lightning.pytorch import LightningModule
from lightning.pytorch import Trainer
import optuna
import torch

from optuna_meta.weights.checkpoint.flatten import flatten
from optuna_meta.weights.integrations.tracked import Initialize
from optuna_meta.weights.integrations.tracked import Start
from optuna_meta.weights.integrations.tracked import TrackedTrial
from optuna_meta.weights.store.random_state import RandomState
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.warm_start.initialize import initialize


__all__ = ["LightningCallback"]

_PART = "lightning.Trainer"
# Of a checkpoint of Lightning's: what the store has, and what it does not read again.
_LEFT_OUT = ("state_dict", "hyper_parameters", "hparams_name", "hparams_type")


class LightningCallback(Callback):
    """A trial's training by Lightning: started, saved, reported, pruned and resumed.

    The end of each epoch saves the module with all that the trainer goes on with, and reports the
    metric at that epoch, as ``optuna_integration`` does; the checkpoint's step is the trainer's
    global step. Checkpoints of Lightning's own are not needed.

    Args:
        trial: The running trial.
        store: Where checkpoints go.
        monitor: Name of the logged metric that the study optimises; ``None`` saves without a
            value.
        start: A checkpoint or candidate to start from; ``None`` is the module's own
            initialisation. One that resumes does not start again.
        start_by: Puts the start into the module, such as ``functools.partial(initialize,
            head=["head"])``.
        tags: Words to know the checkpoints by.
        trainable_only: Whether to save only what is trained, such as the adapter of a PEFT model.

    Example:
        .. code-block:: python

            def objective(trial):
                module = build()
                callback = LightningCallback(trial, store, start=ranking.trained)
                trainer = Trainer(callbacks=[callback], enable_checkpointing=False, max_epochs=5)
                trainer.fit(module, data, ckpt_path=callback.resume(module))
                return trainer.callback_metrics["val_loss"].item()
    """

    def __init__(
        self,
        trial: optuna.Trial,
        store: CheckpointStore,
        *,
        monitor: str | None = "val_loss",
        start: Start = None,
        start_by: Initialize = initialize,
        tags: Sequence[str] = (),
        trainable_only: bool = False,
    ) -> None:
        self._tracked = TrackedTrial(trial, store, monitor, start, start_by, tags, trainable_only)
        self._folder: TemporaryDirectory[str] | None = None
        self._resumed: dict[str, Any] = {}
        self._caught: dict[str, Any] | None = None

    def resume(self, module: LightningModule) -> str | None:
        """Put the module where the trial that this one continues had stopped.

        Returns:
            A file for ``trainer.fit(..., ckpt_path=...)``, which is removed once it has been read;
            ``None`` where there is nothing to go on from.
        """
        parts: dict[str, Any] = {_PART: None, "random": None, "metrics": None}
        if self._tracked.resume(module, parts) is None:
            return None
        self._folder, self._resumed = self._tracked.folder(), parts
        path = Path(self._folder.name) / "resume.ckpt"
        torch.save({**parts[_PART], "state_dict": module.state_dict()}, path)
        return str(path)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the checkpoint, or draw the random numbers that come next."""
        if self._folder is None:
            self._tracked.begin(pl_module)
        else:  # The next thing that draws any is the loader: a trial validation leaves no trace.
            RandomState().load_state_dict(self._resumed["random"])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do what Lightning leaves out when it goes on."""
        if self._folder is None:
            return
        for config in trainer.lr_scheduler_configs:
            # It steps these after the end of the epoch, where it was saved.
            if config.reduce_on_plateau and config.interval == "epoch":
                if trainer.current_epoch % config.frequency == 0:
                    metric = self._resumed["metrics"].get(config.monitor)
                    pl_module.lr_scheduler_step(config.scheduler, metric)
        self._folder.cleanup()
        self._folder = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, report and prune."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        metrics = dict(trainer.callback_metrics)
        random = RandomState().state_dict()
        parts = {_PART: self._state_of(trainer), "random": random, "metrics": metrics}
        self._tracked.keep(pl_module, metrics, trainer.global_step, parts, trainer.current_epoch)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take what Lightning is about to write."""
        self._caught = checkpoint

    def _state_of(self, trainer: Trainer) -> dict[str, Any]:
        """Return what the trainer goes on with; the hook that sees it comes with a file."""
        with self._tracked.folder() as folder:
            trainer.save_checkpoint(str(Path(folder) / "caught.ckpt"))
        state, self._caught = dict(self._caught or {}), None
        state["callbacks"] = {n: s for n, s in state["callbacks"].items() if _is_plain(n, s)}
        return {name: part for name, part in state.items() if name not in _LEFT_OUT}


def _is_plain(name: str, state: Any) -> bool:
    try:
        flatten(state, name)
    except ValueError as error:
        warnings.warn(f"That callback starts anew in a resumed trial: {error}", stacklevel=2)
        return False
    return True
