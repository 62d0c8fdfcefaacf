"""Checkpoints of trials in an Optuna artifact store: saved, ranked, pruned, verified, resumed."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import MutableMapping
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import time
from typing import Any
import warnings

from optuna import Study
from optuna import Trial
from optuna.artifacts import FileSystemArtifactStore
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial
import torch

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.tensor_file import Header
from optuna_meta.weights.store.artifacts import ArtifactStore
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.artifacts import UNREADABLE
from optuna_meta.weights.store.garbage import collect_garbage
from optuna_meta.weights.store.listing import update_listing
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.resume import named_parts
from optuna_meta.weights.store.resume import put_back
from optuna_meta.weights.store.resume import resumable
from optuna_meta.weights.store.resume import Stateful
from optuna_meta.weights.store.resume import training_checkpoint
import optuna_meta.weights.store.retention as retention
from optuna_meta.weights.store.saving import add_checkpoint
from optuna_meta.weights.store.saving import described
from optuna_meta.weights.store.verify import Verification
from optuna_meta.weights.store.verify import verify


__all__ = ["CheckpointStore"]

_LEAST_PAUSE = 60.0  # seconds between two times that saving removes what was given up


class CheckpointStore:
    """Models of trials, kept as artifacts.

    A checkpoint is a safetensors file beside the trial, of which the dashboard lists 16 for
    download (with ``save_top_k`` the best 16 of the study, once their trials have ended and
    :meth:`prune` was called), and a small record among the trial's system attributes, which is
    written once the file is; a file holds the records of those that are too many. Threads and
    processes may share a store.

    Args:
        artifact_store: Any artifact store of Optuna, or a folder, which is made.
        save_top_k: How many checkpoints of each study stay, the best; all by default. The last
            one of the best trial is among them whenever an earlier one of it is (beside it where
            only one may stay). The last one of an unfinished trial stays as well, so that it can
            be resumed, and that of a failed one until it is retried. :meth:`save` drops what its
            own trial has beyond them at once; files of finished trials go with :meth:`prune`, by
            ``callbacks=[store.prune]``, or once a minute.
        staging: Folder where a file lies before it is uploaded, and what a trainer goes on with
            until it has read it; the system's temporary one by default.

    Raises:
        ValueError: ``save_top_k`` is less than one.

    Example:
        .. code-block:: python

            store = CheckpointStore("artifacts", save_top_k=3)


            def objective(trial):
                model = build(trial)
                optimizer = torch.optim.AdamW(model.parameters())
                stopped = store.resume(trial, model, optimizer)
                for epoch in range(stopped.step + 1 if stopped else 0, 10):
                    loss = train(model, optimizer)
                    store.save(trial, model, value=loss, step=epoch, optimizer=optimizer)
                return loss


            study.optimize(objective, n_trials=20, callbacks=[store.prune])
            best = store.load(store.records(study)[0])
    """

    def __init__(
        self,
        artifact_store: ArtifactStore | str | Path,
        *,
        save_top_k: int | None = None,
        staging: str | Path | None = None,
    ) -> None:
        if save_top_k is not None and save_top_k < 1:
            raise ValueError(f"save_top_k must be at least 1, or None for all, got {save_top_k}.")
        if isinstance(artifact_store, str | Path):
            Path(artifact_store).mkdir(parents=True, exist_ok=True)
            artifact_store = FileSystemArtifactStore(artifact_store)
        self._save_top_k = save_top_k
        self._artifacts = CheckpointArtifacts(artifact_store, staging)
        self._next_collection = time.monotonic() + _LEAST_PAUSE

    @property
    def staging(self) -> str | Path | None:
        """The folder where files lie for a while; ``None`` is the system's temporary one."""
        return self._artifacts.staging

    def save(
        self,
        trial: Trial,
        model: torch.nn.Module | Checkpoint,
        *,
        value: float | None = None,
        step: int | None = None,
        tags: Sequence[str] = (),
        optimizer: Stateful | None = None,
        scheduler: Stateful | None = None,
        state: MutableMapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        trainable_only: bool = False,
    ) -> CheckpointRecord:
        """Save a model inside the objective, also before it raises ``TrialPruned``.

        Args:
            trial: The running trial.
            model: The model, or weights that were averaged or learned otherwise. Of a model that
                FSDP2 has spread over several ranks, the checkpoint that
                :meth:`Checkpoint.from_model` gathers when all of them call it.
            value: How well this model does, as the study measures it. Without, the trial's final
                value ranks it, which is right for the model that the objective ends with.
            step: After how many steps or epochs.
            tags: Words to know it by.
            optimizer: Whose state :meth:`resume` needs; only that of the last checkpoint is kept,
                until :meth:`prune` finds the trial complete.
            scheduler: As ``optimizer``.
            state: Whatever else the training goes on with, by name: what has a ``state_dict()``
                (an average of the weights, a gradient scaler, :class:`RandomState`), generators of
                random numbers, and plain values such as the best loss so far.
            extra: Anything that JSON holds, to be read from ``load(record).metadata.extra``.
            trainable_only: Whether to leave out what is frozen, as
                :meth:`Checkpoint.from_model` does: an adapter of PEFT is saved alone.

        Raises:
            ValueError: The trial is finished, the model cannot be saved, or ``value`` is given
                in a study of several objectives.
        """
        _require_one_objective(trial.study, value)
        if not isinstance(model, Checkpoint):
            model = Checkpoint.from_model(model, copy=False, trainable_only=trainable_only)
        metadata = replace(
            described(model.metadata, trial, value, step),
            tags=tuple(map(str, tags)),
            extra={**model.metadata.extra, **(extra or {})},
        )
        parts = named_parts(optimizer, scheduler, state)
        training = training_checkpoint(parts, metadata) if parts else None
        weights = replace(model, metadata=metadata)
        try:
            record = add_checkpoint(trial, weights, training, self._artifacts, self._save_top_k)
        except UpdateFinishedTrialError as error:
            raise ValueError(
                f"Trial {trial.number} of study {trial.study.study_name!r} is finished and cannot "
                "be changed: save its model inside the objective, before it returns or is pruned."
            ) from error
        if self._save_top_k is not None:
            retention.prune(trial.study, self._artifacts, self._save_top_k)
            self._collect_now_and_then(trial.study)
        return record

    def records(self, study: Study) -> list[CheckpointRecord]:
        """Return a study's checkpoints, best first, without those that were pruned.

        Those of pruned and failed trials are among them; those without a finite value come last.
        """
        stored = retention.unpruned(study, self._artifacts)
        return [record for record, _ in retention.ranked(stored, study)]

    def load(self, record: CheckpointRecord, *, device: str | torch.device = "cpu") -> Checkpoint:
        """Read a checkpoint, checked to the last byte.

        Args:
            record: Which one, of :meth:`records` or :meth:`save`.
            device: Where the tensors go, one after the other.

        Raises:
            ArtifactNotFound: The file is not in the artifact store.
            ValueError: The file is damaged, or another one.
        """
        return self._artifacts.get(record, record.weights, device)

    def header(self, record: CheckpointRecord) -> Header:
        """Read only the names, shapes and dtypes of a checkpoint's tensors, unchecked.

        Raises:
            ArtifactNotFound: The file is not in the artifact store.
            ValueError: The header is damaged.
        """
        with self._artifacts.reader(record, record.weights) as reader:
            return reader.header

    def resume(
        self,
        trial: Trial,
        model: torch.nn.Module,
        optimizer: Stateful | None = None,
        scheduler: Stateful | None = None,
        state: MutableMapping[str, Any] | None = None,
    ) -> CheckpointRecord | None:
        """Put a trial where the one that it continues had stopped.

        A trial continues another one if it retries it (``RetryHeartbeatStaleTrialCallback``), or
        was enqueued with the parameters of one that was pruned or failed.

        Args:
            trial: The running trial.
            model: Its model, built anew.
            optimizer: Its optimizer, built anew.
            scheduler: Its learning rate scheduler, built anew.
            state: As :meth:`save` was given it, built anew: what has a state gets it back, and
                plain values are replaced by those saved.

        Returns:
            The checkpoint that was put back, or ``None`` where there is none to go on from; then
            nothing was changed. Damaged and missing ones are passed over with a warning.

        Raises:
            ValueError: The model, the optimizer or another part is not the one that the
                checkpoint is of.
        """
        parts = named_parts(optimizer, scheduler, state)
        for record in resumable(trial, self._artifacts):
            if parts and record.training is None:
                continue
            try:
                weights = self._artifacts.get(record, record.weights, "cpu")
                training = record.training and self._artifacts.get(record, record.training, "cpu")
            except UNREADABLE as error:
                reason = f"Trial {trial.number} does not go on from it: {error}"
                warnings.warn(reason, stacklevel=2)
            else:
                put_back(model, weights, parts, training if parts else None, state)
                return record
        return None

    def prune(
        self, study: Study, trial: FrozenTrial | None = None, *, others: Iterable[Study] = ()
    ) -> list[CheckpointRecord]:
        """Remove what is beyond ``save_top_k``, and what ended trainings and processes left.

        It is a callback of ``study.optimize`` too (``callbacks=[store.prune]``). A file stays as
        long as another study of the same storage has it, as copies made by ``optuna.copy_study``
        do: all of them are read, for which :meth:`save` has no time. Running trials drop what is
        beyond themselves.

        Args:
            study: The study.
            trial: What ``optimize`` passes to its callbacks; it makes no difference.
            others: Copies of it in other storages, whose files stay too.

        Returns:
            The checkpoints that the study no longer has.
        """
        records = []
        if self._save_top_k is not None:
            records = retention.prune(study, self._artifacts, self._save_top_k)
            update_listing(study, self._artifacts)
        collect_garbage(study, self._artifacts, list(others))
        return records

    def verify(self, study: Study) -> Verification:
        """Read every checkpoint of a study, and report which are intact, missing or damaged."""
        return verify(study, self._artifacts)

    def _collect_now_and_then(self, study: Study) -> None:
        """Remove files that were given up, which takes the longer the more studies there are."""
        start = time.monotonic()
        if start >= self._next_collection:
            update_listing(study, self._artifacts)
            collect_garbage(study, self._artifacts)
            spent = time.monotonic() - start
            self._next_collection = start + spent + max(_LEAST_PAUSE, 50.0 * spent)


def _require_one_objective(study: Study, value: float | None) -> None:
    if value is not None and len(study.directions) > 1:
        raise ValueError(
            f"Study {study.study_name!r} has {len(study.directions)} objectives, so that value= "
            "cannot rank its checkpoints: leave it out, the trial's final values do."
        )
