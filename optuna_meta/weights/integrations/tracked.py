"""What the callbacks of all trainers share: a start, a checkpoint an epoch, a report, a resume."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import optuna
from torch import nn

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.staging import staging_folder
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.warm_start.report import InitReport
from optuna_meta.weights.warm_start.report import record_lineage
from optuna_meta.weights.warm_start.report import WEIGHTS_FROM_KEY


__all__ = ["Initialize", "Start", "TrackedTrial"]

Start = Checkpoint | Candidate | None
Initialize = Callable[[nn.Module, Checkpoint], object]


@dataclass
class TrackedTrial:
    """A trial whose model a trainer trains.

    Args:
        trial: The running trial.
        store: Where its checkpoints go.
        monitor: Name of the metric that the study optimises; ``None`` saves without a value.
        start: What its model starts from; ``None`` is its own initialisation.
        start_by: Puts the start into the model.
        tags: Words to know the checkpoints by.
        trainable_only: Whether to save only what is trained, such as an adapter.
    """

    trial: optuna.Trial
    store: CheckpointStore
    monitor: str | None
    start: Start
    start_by: Initialize
    tags: Sequence[str] = ()
    trainable_only: bool = False

    def begin(self, model: nn.Module) -> None:
        """Put the start into a new model, and note on the trial where its weights came from."""
        if self.start is None:
            return
        checkpoint = self.start.load() if isinstance(self.start, Candidate) else self.start
        report = self.start_by(model, checkpoint)
        if isinstance(report, InitReport):
            record_lineage(self.trial, report)

    def resume(self, model: nn.Module, parts: dict[str, Any]) -> CheckpointRecord | None:
        """Put model and parts where the trial that this one continues had stopped, if any had.

        Where that one's weights came from, this one's do: an enqueued trial has no attributes yet.
        """
        record = self.store.resume(self.trial, model, state=parts)
        if record is not None and WEIGHTS_FROM_KEY not in self.trial.user_attrs:
            earlier = self.trial.study.get_trials(deepcopy=False)[record.trial]
            if WEIGHTS_FROM_KEY in earlier.user_attrs:
                self.trial.set_user_attr(WEIGHTS_FROM_KEY, earlier.user_attrs[WEIGHTS_FROM_KEY])
        return record

    def folder(self) -> TemporaryDirectory[str]:
        """Make a folder for what the trainer reads; a killed one's goes with ``store.prune``."""
        return staging_folder(self.store.staging)

    def keep(
        self,
        model: nn.Module,
        metrics: Mapping[str, Any],
        step: int,
        parts: dict[str, Any],
        report_at: int | None = None,
    ) -> None:
        """Save a checkpoint, report its value, and prune the trial if it is to be.

        Args:
            model: The model.
            metrics: Numbers by name.
            step: Of the trainer, to save and to report at.
            parts: What it goes on with beside the model.
            report_at: Another step to report at.

        Raises:
            ValueError: The metric is not among those there are.
            TrialPruned: The study's pruner says so.
        """
        value = self._value(metrics)
        self.store.save(
            self.trial,
            model,
            value=value,
            step=step,
            tags=self.tags,
            state=parts,
            trainable_only=self.trainable_only,
        )
        if value is None:
            return
        self.trial.report(value, step if report_at is None else report_at)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"Pruned at step {step}: {self.monitor} is {value:g}.")

    def _value(self, metrics: Mapping[str, Any]) -> float | None:
        if self.monitor is None or len(self.trial.study.directions) > 1:
            return None
        if self.monitor not in metrics:
            raise ValueError(
                f"There is no metric {self.monitor!r} to report, there are "
                f"{', '.join(sorted(metrics)) or 'none'}: name one as monitor, or None."
            )
        return float(metrics[self.monitor])
