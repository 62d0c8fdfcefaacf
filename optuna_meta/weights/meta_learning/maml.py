"""Initial weights that a few gradient steps turn into a task's.

MAML, first and second order: Finn, Abbeel and Levine (2017), "Model-agnostic meta-learning for
fast adaptation of deep networks". CAVIA: Zintgraf et al. (2019), "Fast context adaptation via
meta-learning", which adapts context parameters only.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch import Tensor
from torch.nn.attention import sdpa_kernel
from torch.nn.attention import SDPBackend

from optuna_meta.weights.batches import Loss
from optuna_meta.weights.batches import own_loss
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import MetaTraining
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.state_dict import matching
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.torch_tools import call_with


__all__ = ["adapt", "maml_init", "meta_loss"]

Parameters = Mapping[str, Tensor]


def maml_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss = own_loss,
    *,
    adapted: Sequence[str] = ("*",),
    context: Sequence[str] = (),
    inner: InnerLoop = InnerLoop(),  # noqa: B008
    outer: OuterLoop = OuterLoop(),  # noqa: B008
    first_order: bool = False,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Learn weights that a few gradient steps on a batch turn into ones good on the next batch.

    Args:
        model: The start; it stays as it is.
        tasks: Each yields batches again and again: one to adapt on, one to be good on, and so on.
        loss: Of what predicts, which is called like the model, and a batch; a scalar. By default
            the model's own.
        adapted: Patterns of the parameters that the inner steps change.
        context: Patterns of those that only the inner steps change, and no others then (CAVIA).
            They are where each task starts, 0 for example, and are returned as they are.
        inner: The inner steps; :func:`adapt` does them on a new task.
        outer: The steps of Adam on the weights.
        first_order: Whether to take the inner gradients as constant, which is cheaper.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If a task is empty, nothing matches a pattern, or the loss diverges.
    """
    names = matching(model, context or adapted, trainable=True)
    trainable = matching(model, ["*"], trainable=True)
    learned = [name for name in trainable if not (context and name in names)]
    task_loss = partial(meta_loss, adapted=names, loss=loss, inner=inner, first_order=first_order)
    training = MetaTraining(model, tasks, device, seed)
    _learn(training, learned, outer, task_loss)
    made_by = "cavia" if context else "first-order maml" if first_order else "maml"
    plain = [plain_name(name) for name in names]
    return training.checkpoint(made_by, inner=inner, outer=outer, adapted=plain)


def adapt(
    model: nn.Module,
    checkpoint: Checkpoint,
    batch: Any,
    loss: Loss = own_loss,
    *,
    steps: int | None = None,
) -> None:
    """Do on the model, in place, the inner steps for which an initialisation was learned.

    Args:
        model: A model that has the checkpoint's weights.
        checkpoint: What :func:`maml_init` returned.
        batch: The new task's data, where the model is.
        loss: Of what predicts and a batch; by default the model's own.
        steps: How many; as many as it was learned for if None.

    Raises:
        ValueError: If the checkpoint is of another origin, or the model has other names.
    """
    extra = checkpoint.metadata.extra
    if "adapted" not in extra:
        raise ValueError(
            f"The checkpoint must be of maml_init, got one of "
            f"{extra.get('made_by', 'plain training')!r}. Use an optimiser of your choice."
        )
    inner = InnerLoop(**extra["inner"])
    inner = replace(inner, steps=steps or inner.steps)
    own = dict(model.named_parameters())
    known = {plain_name(name): name for name in own}
    if unknown := [name for name in extra["adapted"] if name not in known]:
        raise ValueError(f"The model has none of {unknown[:5]}, which the inner steps change.")
    names = [known[name] for name in extra["adapted"]]
    fast = _after_steps(model, own, names, batch, loss, inner, first_order=True)
    with torch.no_grad():
        for name in names:
            own[name].copy_(fast[name])


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
    """Return the loss, a scalar, on the query batch after the inner steps on the support batch.

    Args:
        model: Runs with the parameters given.
        parameters: All of them by name, of any shapes; gradients of the result reach them.
        adapted: Which of them the steps change.
        support: The batch to adapt on.
        query: The batch to be good on.
        loss: Of what predicts and a batch.
        inner: The steps.
        first_order: Whether to take the inner gradients as constant.
    """
    # Of torch's kernels of attention, only the plain one has second derivatives.
    with nullcontext() if first_order else sdpa_kernel(SDPBackend.MATH):
        fast = _after_steps(model, parameters, adapted, support, loss, inner, first_order)
        return loss(partial(call_with, model, fast), query)


def _after_steps(
    model: nn.Module,
    parameters: Parameters,
    names: Sequence[str],
    batch: Any,
    loss: Loss,
    inner: InnerLoop,
    first_order: bool,
) -> dict[str, Tensor]:
    """Return the parameters after the inner steps, which change those named, on a batch."""
    fast = dict(parameters)
    for _ in range(inner.steps):
        value = loss(partial(call_with, model, fast), batch)
        before = [fast[name] for name in names]
        grads = torch.autograd.grad(value, before, create_graph=not first_order, allow_unused=True)
        for name, grad in zip(names, grads, strict=True):
            if grad is not None:
                fast[name] = fast[name] - inner.lr * grad
    return fast


def _learn(
    training: MetaTraining, learned: Sequence[str], outer: OuterLoop, loss: Callable[..., Tensor]
) -> None:
    """Take the outer steps on the parameters named; the loss is as :func:`meta_loss`."""
    model, n = training.model, outer.tasks
    parameters = dict(model.named_parameters())

    def task_loss(task: Iterator[Any]) -> Tensor:
        return loss(model, parameters, support=next(task), query=next(task))

    changed = [parameters[name] for name in learned]
    training.descend(changed, outer, task_loss, lambda: [(i, 1.0 / n) for i in training.draw(n)])
