"""How much each model of an ensemble should count, by its predictions on validation data.

Caruana et al. (2004), "Ensemble selection from libraries of models": greedily and with
replacement. Or the weights with the least loss: the logarithm of a mean probability and the square
of a mean error are convex in the weights, so that a descent finds the best ones. The greedy ones
are coarser, and overfit little data less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
import torch
from torch import Tensor


__all__ = ["greedy_weights", "ensemble_loss", "simplex_weights"]

EnsembleLoss = Callable[[Tensor, Tensor], Tensor]

_LEAST_PROBABILITY = 1e-12
_LEAST_WEIGHT = 1e-4  # Less is what the descent leaves of 0.


def ensemble_loss(mixed: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of an ensemble.

    Args:
        mixed: Probabilities of shape (n, classes) for labels that are whole numbers, else values.
        labels: Classes of shape (n,), for which the loss is the negative logarithm of their
            probability, or values of the predictions' shape, for which it is the squared error.

    Raises:
        ValueError: If the shapes do not belong together.
    """
    if labels.is_floating_point():
        if mixed.shape != labels.shape:
            raise ValueError(
                f"Predictions of shape {tuple(mixed.shape)} do not belong to labels of shape "
                f"{tuple(labels.shape)}. Give both one shape."
            )
        return (mixed - labels).square().mean()
    probability = mixed.gather(-1, labels.long()[..., None])
    return -probability.clamp_min(_LEAST_PROBABILITY).log().mean()


def greedy_weights(
    predictions: Tensor,
    labels: Tensor,
    *,
    size: int = 25,
    loss: EnsembleLoss = ensemble_loss,
) -> tuple[float, ...]:
    """Return the shares of the models that greedy additions chose.

    One at a time, the model is added whose equal mean with those before has the least loss, of
    equals one already added, then the first. The best of all sizes is returned.

    Args:
        predictions: (models, n, ...), probabilities or values.
        labels: (n, ...).
        size: How many to add, with replacement.
        loss: Of the mixed predictions and the labels; any number will do, such as an error rate.

    Raises:
        ValueError: If there are no models, the size is not positive, or no loss is finite.
    """
    _check(predictions, size)
    counts = torch.zeros(len(predictions), dtype=torch.float64, device="cpu")
    total = torch.zeros_like(predictions[0], dtype=torch.float64)
    best, kept = float("inf"), counts
    for n in range(1, size + 1):
        losses = [float(loss((total + one) / n, labels)) for one in predictions]
        ranked = [(v if v == v else np.inf, not counts[i], i) for i, v in enumerate(losses)]
        reached, _, chosen = min(ranked)
        counts = counts.clone()
        counts[chosen] += 1.0
        total += predictions[chosen]
        if reached < best:
            best, kept = reached, counts
    if not np.isfinite(best):
        raise ValueError("No model's predictions have a finite loss. Leave out diverged models.")
    return tuple((kept / kept.sum()).tolist())


def simplex_weights(
    predictions: Tensor, labels: Tensor, *, loss: EnsembleLoss = ensemble_loss
) -> tuple[float, ...]:
    """Return the weights, not negative and of sum 1, with the least loss.

    Args:
        predictions: (models, n, ...), probabilities or values.
        labels: (n, ...).
        loss: Of the mixed predictions and the labels; it has a gradient.

    Raises:
        ValueError: If there are no models, or predictions are not finite.
    """
    _check(predictions, 1)
    if not bool(torch.isfinite(predictions).all()):
        raise ValueError("Predictions must be finite. Leave out diverged models.")
    wide = predictions.detach().double()
    wanted = labels.double() if labels.is_floating_point() else labels

    def value(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = torch.tensor(weights, device=wide.device, requires_grad=True)
        reached = loss(torch.tensordot(w, wide, 1), wanted)
        (slope,) = torch.autograd.grad(reached, w)
        return float(reached.detach()), slope.cpu().numpy()

    n = len(predictions)
    found: Any = minimize(
        value,
        np.full(n, 1.0 / n),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n,
        constraints={
            "type": "eq",
            "fun": lambda w: w.sum() - 1.0,
            "jac": lambda w: np.ones_like(w),
        },
        options={"ftol": 1e-10, "maxiter": 200},
    )
    weights = np.where(found.x < _LEAST_WEIGHT, 0.0, found.x)
    return tuple((weights / weights.sum()).tolist())


def _check(predictions: Tensor, size: int) -> None:
    if predictions.ndim < 2 or not len(predictions) or size < 1:
        raise ValueError(
            "Predictions must have the shape (models, n, ...) of one model at least, and size be "
            f"positive, got {tuple(predictions.shape)} and {size}."
        )
