"""Trials in nets of ``skorch``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.callbacks import LRScheduler
from skorch.history import History

from optuna_meta.weights.integrations.tracked import Initialize
from optuna_meta.weights.integrations.tracked import Start
from optuna_meta.weights.integrations.tracked import TrackedTrial
from optuna_meta.weights.store.random_state import RandomState
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.warm_start.initialize import initialize


__all__ = ["SkorchCallback"]

_PART = "skorch.NeuralNet"


class SkorchCallback(Callback):
    """A trial's training by ``skorch``: started, saved, reported, pruned and resumed.

    Each epoch saves the module with all that the net goes on with, and reports the metric at that
    epoch. A trial that continues another one goes on with its history and trains as many epochs
    as are left of ``max_epochs``.

    Args:
        trial: The running trial.
        store: Where checkpoints go.
        monitor: Name in the net's history of the metric that the study optimises; ``None`` saves
            without a value.
        start: A checkpoint or candidate to start from; ``None`` is the module's own
            initialisation. One that resumes does not start again.
        start_by: Puts the start into the module, such as ``functools.partial(initialize,
            head=["head"])``.
        tags: Words to know the checkpoints by.
        trainable_only: Whether to save only what is trained, such as the adapter of a PEFT model.

    Example:
        .. code-block:: python

            def objective(trial):
                callback = SkorchCallback(trial, store, start=ranking.trained)
                net = NeuralNetClassifier(Module, max_epochs=5, callbacks=[callback])
                net.fit(x, y)
                return net.history[-1, "valid_loss"]
    """

    def __init__(
        self,
        trial: optuna.Trial,
        store: CheckpointStore,
        *,
        monitor: str | None = "valid_loss",
        start: Start = None,
        start_by: Initialize = initialize,
        tags: Sequence[str] = (),
        trainable_only: bool = False,
    ) -> None:
        # A net reads and sets the parameters of its callbacks by these names.
        self.trial, self.store, self.monitor = trial, store, monitor
        self.start, self.start_by = start, start_by
        self.tags, self.trainable_only = tags, trainable_only

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Go on where the trial that this one continues had stopped, else start."""
        self._require_last(net)
        self.tracked_ = TrackedTrial(
            self.trial,
            self.store,
            self.monitor,
            self.start,
            self.start_by,
            self.tags,
            self.trainable_only,
        )
        self.resumed_, self.max_epochs_ = None, net.max_epochs
        parts: dict[str, Any] = {_PART: None}
        if len(net.history):  # It was trained before, by this trial.
            return
        if self.tracked_.resume(net.module_, parts) is None:
            self.tracked_.begin(net.module_)
            return
        self.resumed_ = parts[_PART]
        net.history = History(self.resumed_["history"])
        net.max_epochs = max(0, net.max_epochs - len(net.history))

    def on_epoch_begin(self, net: NeuralNet, *args: Any, **kwargs: Any) -> None:
        """Put back what other callbacks set up anew when training began."""
        if self.resumed_ is None:
            return
        for name, part in _parts(net).items():
            part.load_state_dict(self.resumed_[name])
        self.resumed_ = None

    def on_epoch_end(self, net: NeuralNet, *args: Any, **kwargs: Any) -> None:
        """Save, report and prune."""
        states = {name: part.state_dict() for name, part in _parts(net).items()}
        metrics = {name: value for name, value in net.history[-1].items() if name != "batches"}
        parts = {_PART: {**states, "history": _plain(list(net.history))}}
        self.tracked_.keep(net.module_, metrics, len(net.history), parts)

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Leave the net its own number of epochs."""
        net.max_epochs = self.max_epochs_

    def _require_last(self, net: NeuralNet) -> None:
        callbacks = [callback for _, callback in net.callbacks_]
        behind = callbacks[callbacks.index(self) + 1 :]
        if any(isinstance(callback, LRScheduler) for callback in behind):
            raise ValueError(
                "SkorchCallback must save what the LRScheduler of an epoch did: put it behind the "
                "LRScheduler in callbacks=[...]."
            )


def _parts(net: NeuralNet) -> dict[str, Any]:
    """Return what a net goes on with beside its module, by name."""
    schedulers = {
        f"{name}.lr_scheduler": callback.lr_scheduler_
        for name, callback in net.callbacks_
        if isinstance(callback, LRScheduler)
    }
    own = {"optimizer": net.optimizer_, "criterion": net.criterion_, "random": RandomState()}
    return {**own, **schedulers}


def _plain(entry: Any) -> Any:
    """Return a history with numbers of NumPy as Python's."""
    if isinstance(entry, dict):
        return {name: _plain(part) for name, part in entry.items()}
    if isinstance(entry, list):
        return [_plain(part) for part in entry]
    return entry.item() if isinstance(entry, np.generic) else entry
