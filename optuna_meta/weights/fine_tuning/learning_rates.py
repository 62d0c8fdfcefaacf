"""Learning rates that fall from the output to the input of a model.

Howard and Ruder (2018), "Universal language model fine-tuning for text classification"
(discriminative fine-tuning): what is near the input is more general and should change less.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence
from typing import Any

from torch import nn

from optuna_meta.weights.fine_tuning.layers import layer_of_each
from optuna_meta.weights.state_dict import matches
from optuna_meta.weights.state_dict import require_matching


__all__ = ["parameter_groups"]


def parameter_groups(
    model: nn.Module,
    lr: float,
    *,
    decay: float = 0.75,
    floor: float = 0.02,
    layers: Sequence[Sequence[str]] | None = None,
    weight_decay: float | None = None,
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser, the layer nearest to the input first.

    Args:
        model: The model; what is frozen is left out.
        lr: Learning rate of the last layer.
        decay: What the rate is multiplied by from each layer to the one before it.
        floor: The least share of ``lr`` that a layer gets, however deep the model is.
        layers: Patterns of the parameters of each layer, first to last; a parameter belongs to the
            first that matches. If None, each block of a transformer or residual network is a
            layer, what is before and after the blocks another one each; of a model without blocks,
            each module that has a matrix of its own. Modules count in the order in which they were
            registered, frozen ones too, and vectors such as those of normalisation belong to the
            layer before them.
        weight_decay: Of matrices; vectors get none. If None, the optimiser's own for both.

    Raises:
        ValueError: If a rate is not positive, the floor not in [0, 1], a parameter is in no layer,
            or a pattern matches nothing.
    """
    if not (lr > 0.0 and decay > 0.0 and 0.0 <= floor <= 1.0):
        raise ValueError(
            f"lr and decay must be positive and floor in [0, 1], got {lr}, {decay} and {floor}."
        )
    named = dict(model.named_parameters())
    depths = layer_of_each(model) if layers is None else _given_depths(named, layers)
    last = max(depths.values(), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, depth in sorted(depths.items(), key=lambda item: item[1]):
        if not named[name].requires_grad:
            continue
        decays = weight_decay is not None and named[name].ndim > 1
        rate = lr * max(decay ** (last - depth), floor)
        group = groups.setdefault((depth, decays), {"params": [], "lr": rate})
        group["params"].append(named[name])
        if weight_decay is not None:
            group["weight_decay"] = weight_decay if decays else 0.0
    return list(groups.values())


def _given_depths(named: Collection[str], layers: Sequence[Sequence[str]]) -> dict[str, int]:
    depths = {}
    for name in named:
        fitting = (i for i, patterns in enumerate(layers) if matches(name, patterns))
        depths[name] = next(fitting, -1)
        if depths[name] < 0:
            raise ValueError(f"{name!r} is in none of the {len(layers)} layers: add it to one.")
    require_matching(named, [p for patterns in layers for p in patterns], "parameter")
    return depths
