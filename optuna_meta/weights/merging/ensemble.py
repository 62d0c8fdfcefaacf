"""Several models that predict together.

The members run one after the other, so that besides the members themselves one prediction and a
sum are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from functools import reduce
from typing import Any
from typing import Literal

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.merging.average import check_weights
from optuna_meta.weights.torch_tools import device_of
from optuna_meta.weights.torch_tools import evaluating
from optuna_meta.weights.torch_tools import on_device


__all__ = ["Ensemble", "predict_all"]

Space = Literal["probability", "value"]


class Ensemble(nn.Module):
    """The weighted mean of several models' predictions.

    It stands where a member stood: of classifiers it returns the logarithm of the mean
    probability, which a cross entropy takes as logits.

    Args:
        models: Models that take the same inputs and return a tensor of one shape. Those of weight
            0 are left out.
        weights: Of each, not negative; they are scaled to sum to 1. Equal if None.
        space: ``"probability"`` for classifiers that return logits, ``"value"`` for predictions
            whose mean is a prediction, such as those of a regression.
        dim: Where the classes are.

    Raises:
        ValueError: If there are no models, the weights do not belong to them, or the space is not
            known.
    """

    weights: Tensor  # (members,)

    def __init__(
        self,
        models: Sequence[nn.Module],
        weights: Sequence[float] | None = None,
        *,
        space: Space = "probability",
        dim: int = -1,
    ) -> None:
        super().__init__()
        given = [1.0] * len(models) if weights is None else weights
        if not models or len(given) != len(models):
            raise ValueError(
                f"An ensemble needs models and a weight for each, got {len(models)} models and "
                f"{len(given)} weights."
            )
        if space not in ("probability", "value"):
            raise ValueError(f"space must be 'probability' or 'value', got {space!r}.")
        kept = [(m, w) for m, w in zip(models, check_weights(given), strict=True) if w > 0.0]
        self.models = nn.ModuleList(model for model, _ in kept)
        shares = [weight for _, weight in kept]
        self.register_buffer("weights", torch.tensor(shares, device=device_of(self.models)))
        self.space, self.dim = space, dim

    def forward(self, *inputs: Any) -> Tensor:
        """Return the mean prediction, (n, ...) as one member's."""
        members = zip(self.models, self.weights.unbind(), strict=True)
        # Logarithms are added without leaving them: small probabilities keep their order.
        add = torch.add if self.space == "value" else torch.logaddexp
        weighted = (_weighted(m(*inputs), w, self.space, self.dim) for m, w in members)
        mixed: Tensor = reduce(add, weighted)
        return mixed


def predict_all(
    models: Iterable[nn.Module],
    batches: Iterable[tuple[Any, Tensor]],
    *,
    space: Space = "probability",
    dim: int = -1,
    device: str | torch.device | None = None,
) -> tuple[Tensor, Tensor]:
    """Return all predictions on some data, to choose weights by.

    Args:
        models: An iterator that loads one after the other bounds the memory.
        batches: Inputs, a tensor or a tuple of them, and labels; all are kept in memory.
        space: ``"probability"`` makes probabilities of the models' logits.
        dim: Where the classes are.
        device: Where each model computes before it returns to where it was; there if None.

    Returns:
        Predictions on the CPU, (models, n, ...) with classes last, and labels, (n, ...).

    Raises:
        ValueError: If there are no models or no data.
    """
    data = list(batches)
    predictions = [_predict(model, data, space, dim, device) for model in models]
    if not predictions or not data:
        raise ValueError(f"Pass models and data, got {len(predictions)} and {len(data)} batches.")
    return torch.stack(predictions), torch.cat([labels for _, labels in data]).cpu()


@torch.no_grad()
def _predict(
    model: nn.Module,
    data: Sequence[tuple[Any, Tensor]],
    space: Space,
    dim: int,
    device: str | torch.device | None,
) -> Tensor:
    outputs = []
    with evaluating(model, device) as place:
        for inputs, _ in data:
            inputs = on_device(inputs if isinstance(inputs, tuple) else (inputs,), place)
            outputs.append(model(*inputs).cpu())
    if space == "probability":
        outputs = [output.softmax(dim).movedim(dim, -1) for output in outputs]
    return torch.cat(outputs)


def _weighted(output: Tensor, weight: Tensor, space: Space, dim: int) -> Tensor:
    if space == "value":
        return weight * output
    return output.log_softmax(dim) + weight.log()
