"""The weights of the best step, and when to stop."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.tensors import State


__all__ = ["BestWeights"]


class BestWeights:
    """The best weights that a model had so far, on the CPU.

    The value returned to Optuna and the weights kept then belong together::

        best = BestWeights(model, patience=5)
        for epoch in range(100):
            train(model)
            best.update(validate(model))
            if best.should_stop:
                break
        best.restore()
        return best.value

    Args:
        model: The model.
        patience: After how many updates without a better value to stop.
        maximize: Whether a higher value is better.
        least_gain: How much better a value must be to count.

    Raises:
        ValueError: If the patience is not positive, or the gain negative.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        patience: int = 10,
        maximize: bool = False,
        least_gain: float = 0.0,
    ) -> None:
        if patience < 1 or least_gain < 0.0:
            raise ValueError(
                f"patience must be positive and least_gain not negative, got {patience} and "
                f"{least_gain}."
            )
        self._model, self._patience, self._least_gain = model, patience, least_gain
        self._sign = -1.0 if maximize else 1.0
        self._state: State = {}
        self.value = math.nan  # The best so far, and
        self.step = -1  # the update that brought it, from 0.
        self.n_updates = 0

    @property
    def should_stop(self) -> bool:
        """Whether patience has come to its end."""
        return self.n_updates - 1 - self.step >= self._patience

    def update(self, value: float) -> bool:
        """Note a value of the model as it is now, and return whether it is the best so far."""
        gain = self._sign * (self.value - value)
        better = math.isfinite(value) and (self.step < 0 or gain > self._least_gain)
        if better:
            self.value, self.step = float(value), self.n_updates
            for name, tensor in self._tensors().items():
                if name in self._state and self._state[name].shape == tensor.shape:
                    self._state[name].copy_(tensor)  # In place, so that there is one copy only.
                else:
                    self._state[name] = tensor.detach().to("cpu", copy=True)
        self.n_updates += 1
        return better

    def restore(self) -> None:
        """Give the model its best weights back; they stay kept.

        Raises:
            ValueError: If no value was finite.
        """
        if not self._state:
            raise ValueError(f"None of the {self.n_updates} values was finite: nothing was kept.")
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                tensor.copy_(self._state[name])

    def _tensors(self) -> State:
        """Return the model's own tensors; a module's extra state is none."""
        state = self._model.state_dict()
        return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
