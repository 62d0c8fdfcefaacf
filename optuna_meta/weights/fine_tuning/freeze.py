"""A part of a model that stays as it is while the rest is trained.

Kumar et al. (2022), "Fine-tuning can distort pretrained features and underperform
out-of-distribution": train the head alone first (a linear probe), then everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from optuna_meta.weights.state_dict import matching
from optuna_meta.weights.state_dict import plain_name


__all__ = ["freeze", "Frozen", "linear_probe"]


class Frozen:
    """A part of a model that is not trained, until :meth:`release` or the end of a ``with``.

    Args:
        model: The model.
        names: Full names of the parameters to freeze, as the model has them; the attribute
            ``names`` has them without wrappers.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.names, self._model = tuple(map(plain_name, names)), model
        named = dict(model.named_parameters())
        self._parameters = [(p, p.requires_grad) for p in map(named.__getitem__, names)]
        for p, _ in self._parameters:
            p.requires_grad_(False)
            p.grad = None  # Else an optimiser would go on with the last one.
        self._still = [module for module in model.modules() if _is_still(module)]
        self._hooks = [module.register_forward_pre_hook(_hold) for module in self._still]

    def release(self) -> None:
        """Train again what was trained before."""
        for p, trained in self._parameters:
            p.requires_grad_(trained)
        for hook in self._hooks:
            hook.remove()
        for module in self._still:
            module.train(self._model.training)
        self._parameters, self._hooks, self._still = [], [], []

    def __enter__(self) -> Frozen:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def freeze(model: nn.Module, patterns: Sequence[str]) -> Frozen:
    """Freeze the parameters that match, and the statistics of batch normalisation among them.

    Args:
        model: The model, before or after its optimiser is made.
        patterns: Patterns (``"encoder.*"``) of their names.

    Returns:
        What releases them, also as a context.

    Raises:
        ValueError: If nothing matches.
    """
    return Frozen(model, matching(model, patterns))


def linear_probe(model: nn.Module, head: Sequence[str]) -> Frozen:
    """Freeze all but the head; train inside the context, then train everything.

    Args:
        model: The model.
        head: Patterns of the names of the head's parameters.

    Raises:
        ValueError: If nothing matches.
    """
    heads = set(matching(model, head))
    return Frozen(model, [name for name, _ in model.named_parameters() if name not in heads])


def _is_still(module: nn.Module) -> bool:
    """Tell whether a module has running statistics and nothing to train."""
    own = list(module.parameters(recurse=False))
    statistics = getattr(module, "running_mean", None) is not None
    return statistics and bool(own) and not any(p.requires_grad for p in own)


def _hold(module: nn.Module, inputs: Any) -> None:
    # Before each run, for model.train() would set the statistics going again.
    module.training = False
