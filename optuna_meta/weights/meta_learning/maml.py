"""Initial weights that a few gradient steps turn into a task's.

MAML, first and second order: Finn, Abbeel and Levine (2017), "Model-agnostic meta-learning for
fast adaptation of deep networks". CAVIA: Zintgraf et al. (2019), "Fast context adaptation via
meta-learning", which adapts context parameters only.

A task is anything that yields batches again and again, such as a ``DataLoader``. A loss takes what
predicts, which is called like the model, and a batch. The model passed in stays as it is, and so
does torch's random state; one seed on a CPU gives one result. Under CUDA, losses are computed in
mixed precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch import Tensor
from torch.func import functional_call

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning.loop import batches_of
from optuna_meta.weights.meta_learning.loop import chosen_tasks
from optuna_meta.weights.meta_learning.loop import finished
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import Loss
from optuna_meta.weights.meta_learning.loop import mixed_precision
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.loop import require_finite
from optuna_meta.weights.meta_learning.loop import working_copy
from optuna_meta.weights.state_dict import matches
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["adapt", "cavia_init", "maml_init", "meta_loss"]

Parameters = Mapping[str, Tensor]


def maml_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss,
    *,
    adapted: Sequence[str] = ("*",),
    inner: InnerLoop = InnerLoop(),  # noqa: B008
    outer: OuterLoop = OuterLoop(),  # noqa: B008
    first_order: bool = False,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Returns weights that a few gradient steps on a batch turn into ones good on the next batch.

    Args:
        model: The start.
        tasks: Each yields batches: one to adapt on, then one to be good on, and so on.
        loss: Of what predicts and a batch.
        adapted: Patterns of the parameters that the inner steps change.
        inner: The inner steps; :func:`adapt` does them on a new task.
        outer: The steps of Adam on the weights.
        first_order: Whether to take the inner gradients as constant, which is cheaper.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If a task is empty, nothing matches a pattern, or the loss diverges.
    """
    names = _matching(model, adapted)
    learned = [name for name, p in model.named_parameters() if p.requires_grad]
    made_by = "first-order maml" if first_order else "maml"
    return _meta_learned(
        model, tasks, loss, names, learned, inner, outer, first_order, device, seed, made_by
    )


def cavia_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss,
    *,
    context: Sequence[str],
    inner: InnerLoop = InnerLoop(),  # noqa: B008
    outer: OuterLoop = OuterLoop(),  # noqa: B008
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Returns weights for which adapting the context parameters alone suits a task.

    Args:
        model: The start. Its context parameters, 0 for example, are where each task starts, and
            are returned as they are.
        tasks: As :func:`maml_init` takes them.
        loss: Of what predicts and a batch.
        context: Patterns of the context parameters.
        inner: The steps on them.
        outer: The steps of Adam on the other weights.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If a task is empty, nothing matches a pattern, or the loss diverges.
    """
    names = _matching(model, context)
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    learned = [name for name in trainable if name not in names]
    return _meta_learned(
        model, tasks, loss, names, learned, inner, outer, False, device, seed, "cavia"
    )


def adapt(
    model: nn.Module, checkpoint: Checkpoint, batch: Any, loss: Loss, *, steps: int | None = None
) -> None:
    """Does on the model, in place, the inner steps for which an initialisation was learned.

    Args:
        model: A model that has the checkpoint's weights.
        checkpoint: What :func:`maml_init` or :func:`cavia_init` returned.
        batch: The new task's data, where the model is.
        loss: Of what predicts and a batch.
        steps: How many; as many as it was learned for if None.

    Raises:
        ValueError: If the checkpoint is of another origin.
    """
    extra = checkpoint.metadata.extra
    if "adapted" not in extra:
        raise ValueError(
            f"The checkpoint must be of maml_init or cavia_init, got one of "
            f"{extra.get('made_by', 'plain training')!r}. Use an optimiser of your choice."
        )
    inner = InnerLoop(**extra["inner"])
    named = dict(model.named_parameters())
    parameters = [named[name] for name in extra["adapted"]]
    for _ in range(steps or inner.steps):
        value = loss(model, batch)
        slopes = torch.autograd.grad(value, parameters, allow_unused=True)
        with torch.no_grad():
            for p, slope in zip(parameters, slopes, strict=True):
                if slope is not None:
                    p.sub_(slope, alpha=inner.lr)


def meta_loss(
    model: nn.Module,
    parameters: Parameters,
    adapted: Sequence[str],
    support: Any,
    query: Any,
    loss: Loss,
    inner: InnerLoop,
    first_order: bool = False,
) -> Tensor:
    """Returns the loss on the query batch after the inner steps on the support batch.

    Args:
        model: Runs with the parameters given.
        parameters: All of them by name; the result has gradients with respect to them.
        adapted: Which of them the steps change.
        support: The batch to adapt on.
        query: The batch to be good on.
        loss: Of what predicts and a batch.
        inner: The steps.
        first_order: Whether to take the inner gradients as constant.
    """
    fast = dict(parameters)
    for _ in range(inner.steps):
        value = loss(partial(_call, model, fast), support)
        slopes = torch.autograd.grad(
            value,
            [fast[name] for name in adapted],
            create_graph=not first_order,
            allow_unused=True,
        )
        for name, slope in zip(adapted, slopes, strict=True):
            if slope is not None:
                fast[name] = fast[name] - inner.lr * slope
    return loss(partial(_call, model, fast), query)


def _meta_learned(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss,
    adapted: Sequence[str],
    learned: Sequence[str],
    inner: InnerLoop,
    outer: OuterLoop,
    first_order: bool,
    device: str | torch.device,
    seed: int,
    made_by: str,
) -> Checkpoint:
    place = torch.device(device)
    rng = np.random.default_rng(seed)
    losses = []
    with own_randomness(seed, place):
        streams = batches_of(tasks, place)
        trained = working_copy(model, place)
        parameters: dict[str, Tensor] = dict(trained.named_parameters())
        optimiser = torch.optim.Adam([parameters[name] for name in learned], lr=outer.lr)
        for number in range(outer.rounds):
            optimiser.zero_grad()
            chosen = chosen_tasks(rng, len(streams), outer.tasks)
            for i in chosen:
                support, query = next(streams[i]), next(streams[i])
                with mixed_precision(place):
                    value = meta_loss(
                        trained, parameters, adapted, support, query, loss, inner, first_order
                    )
                losses.append(require_finite(value, number))
                torch.autograd.backward(value / len(chosen))
            optimiser.step()
    return finished(trained, made_by, losses, inner=inner, outer=outer, adapted=[*adapted])


def _call(model: nn.Module, parameters: Parameters, *inputs: Any, **named: Any) -> Any:
    return functional_call(model, dict(parameters), inputs, named)


def _matching(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    names = [name for name in trainable if matches(name, patterns)]
    if not names:
        raise ValueError(
            f"No trainable parameter matches {list(patterns)}. The model has "
            f"{', '.join(trainable[:8])}."
        )
    return names
