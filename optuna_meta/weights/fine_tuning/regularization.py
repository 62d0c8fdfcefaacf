"""Training that stays near its start, or starts nearer to a fresh one.

Xuhong, Grandvalet and Davoine (2018), "Explicit inductive bias for transfer learning with
convolutional networks" (L2-SP). Ash and Adams (2020), "On warm-starting neural network training"
(shrink and perturb).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import copy

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.state_dict import matches
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import require_matching
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["L2SP", "shrink_and_perturb"]


class L2SP:
    """A penalty on the distance from where training started; add it to the loss.

    Made after :func:`optuna_meta.weights.initialize`, it remembers the weights of that
    moment. Too strong a penalty hurts: raise it from a small one, or let it be tuned.

    Args:
        model: The model, with the weights to stay near to.
        strength: Of the pull to the start.
        head: Patterns of the parameters that are new, and are pulled to 0.
        head_strength: Of that pull.

    Raises:
        ValueError: If a strength is negative, or a pattern matches nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        strength: float = 1e-3,
        *,
        head: Sequence[str] = (),
        head_strength: float = 0.0,
    ) -> None:
        if strength < 0.0 or head_strength < 0.0:
            raise ValueError(f"Strengths must not be negative, got {strength}, {head_strength}.")
        require_matching((name for name, _ in model.named_parameters()), head, "parameter")
        self._pulled: list[tuple[nn.Parameter, Tensor, float]] = []
        for name, p in model.named_parameters():
            if p.requires_grad and matches(name, head):
                self._pulled.append((p, torch.zeros_like(p), head_strength))
            elif p.requires_grad:
                self._pulled.append((p, p.detach().clone(), strength))

    def __call__(self) -> Tensor:
        """Return the penalty, a scalar with gradients: half the strength times the square."""
        penalty = torch.zeros((), device=self._pulled[0][0].device if self._pulled else None)
        for p, start, strength in self._pulled:
            penalty = penalty + 0.5 * strength * (p - start.to(p)).square().sum()
        return penalty


def shrink_and_perturb(
    model: nn.Module,
    *,
    shrink: float = 0.4,
    perturb: float = 0.1,
    fresh: nn.Module | Callable[[], nn.Module] | None = None,
    seed: int = 0,
) -> None:
    """Shrink the weights, and add some of a fresh initialisation, in place.

    Args:
        model: The model; its buffers stay.
        shrink: What its parameters are multiplied by.
        perturb: What the fresh ones are multiplied by before they are added.
        fresh: What builds a new model of the same architecture, or such a model. If None, one is
            made through ``reset_parameters``, which is right for models of nothing but torch's own
            modules; others may be initialised otherwise, as transformers are with weights many
            times smaller.
        seed: Of the fresh model that is built; torch's random state stays as it is.

    Raises:
        ValueError: If there is no ``fresh`` and a module is not torch's own, or the fresh model
            has other parameters.
    """
    with own_randomness(seed):
        made = _reset(model) if fresh is None else fresh
        made = made if isinstance(made, nn.Module) else made()
    new = {plain_name(name): p for name, p in made.named_parameters()}
    named = {plain_name(name): p for name, p in model.named_parameters()}
    for name, p in named.items():
        if name not in new or new[name].shape != p.shape:
            raise ValueError(f"The fresh model must have {name!r} of shape {tuple(p.shape)}.")
    with torch.no_grad():
        for name, p in named.items():
            p.mul_(shrink).add_(new[name].to(p), alpha=perturb)


def _reset(model: nn.Module) -> nn.Module:
    for name, module in model.named_modules():
        kind = type(module)
        if (
            not kind.__module__.startswith("torch.")
            and next(module.parameters(), None) is not None
        ):
            raise ValueError(
                f"{name or 'The model itself'!r} is a {kind.__name__}, whose initialisation is "
                "unknown: pass what builds the model as fresh."
            )
    fresh = copy.deepcopy(model).cpu()
    for name, module in fresh.named_modules():
        names = ("reset_parameters", "_reset_parameters")  # The latter is MultiheadAttention's.
        if resets := [getattr(module, name) for name in names if hasattr(module, name)]:
            resets[0]()
        elif list(module.parameters(recurse=False)):
            raise ValueError(
                f"{name or 'The model itself'!r} ({type(module).__name__}) has parameters and no "
                "reset_parameters: pass what builds the model as fresh."
            )
    return fresh
