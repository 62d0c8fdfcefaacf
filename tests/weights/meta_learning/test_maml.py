from __future__ import annotations

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.maml import adapt
from optuna_meta.weights.meta_learning.maml import maml_init
from optuna_meta.weights.meta_learning.maml import meta_loss
from tests.weights.meta_learning.toys import Quadratic
from tests.weights.meta_learning.toys import squared


class Contextual(nn.Module):
    """A line whose slope is shared and whose offset is the task's."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.body.weight)
        self.context = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.context


def lines(slopes: list[float], offsets: list[float]) -> list[list[tuple[Tensor, Tensor]]]:
    generator = torch.Generator().manual_seed(0)
    tasks = []
    for slope, offset in zip(slopes, offsets, strict=True):
        xs = torch.randn(6, 16, 1, generator=generator)
        tasks.append([(x, slope * x + offset) for x in xs])
    return tasks


@pytest.mark.parametrize("steps", [1, 3])
def test_the_second_order_gradient_equals_finite_differences(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (
        (
            torch.randn(3, 2, generator=generator).double(),
            torch.randn(3, generator=generator).double(),
        )
        for _ in range(2)
    )
    model = Quadratic([0.5, -1.0])

    def value(theta: Tensor) -> Tensor:
        return meta_loss(
            model, {"theta": theta}, ["theta"], support, query, squared, InnerLoop(0.1, steps)
        )

    theta = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(value(theta), theta)
    for i in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[i] = 1e-5
        difference = value((theta + step).detach().requires_grad_()) - value(
            (theta - step).detach().requires_grad_()
        )
        assert float(slope[i]) == pytest.approx(float(difference.detach()) / 2e-5, rel=1e-6)


def test_the_first_order_gradient_is_that_at_the_adapted_weights() -> None:
    matrix, wanted = torch.eye(2).double(), torch.tensor([1.0, 2.0]).double()
    model = Quadratic([0.0, 0.0])
    theta = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    batch = (matrix, wanted)
    value = meta_loss(
        model, {"theta": theta}, ["theta"], batch, batch, squared, InnerLoop(0.1, 2), True
    )
    (slope,) = torch.autograd.grad(value, theta)
    # d/dt of mean((t - w)^2) is t - w, and each step leaves 0.9 of the distance.
    torch.testing.assert_close(slope, -0.81 * wanted)


@pytest.mark.parametrize("first_order", [False, True])
def test_maml_learns_to_adapt(first_order: bool) -> None:
    tasks = lines([2.0, 2.0, 2.0, 2.0], [-2.0, -1.0, 1.0, 2.0])
    model = Contextual()
    inner = InnerLoop(0.2, 3)
    found = maml_init(
        model, tasks, squared, inner=inner, outer=OuterLoop(0.02, 300, 4), first_order=first_order
    )
    before, after = Contextual(), Contextual()
    after.load_state_dict(dict(found.state))
    new = lines([2.0], [1.5])[0]
    blank = Checkpoint(before.state_dict(), found.metadata)
    adapt(before, blank, new[0], squared)
    adapt(after, found, new[0], squared)
    # Three steps of 0.2 leave 0.6 ** 3 of the offset to both.
    assert squared(after, new[1]).item() < 0.3 * squared(before, new[1]).item()


def test_cavia_changes_the_context_only_on_a_task_and_the_rest_only_between() -> None:
    tasks = lines([2.0] * 4, [-2.0, -1.0, 1.0, 2.0])
    found = maml_init(
        Contextual(), tasks, squared, context=["context"], outer=OuterLoop(0.05, 200, 4)
    )
    assert found.state["context"].item() == 0.0
    assert found.state["body.weight"].item() == pytest.approx(2.0, abs=0.1)
    model = Contextual()
    model.load_state_dict(dict(found.state))
    adapt(model, found, lines([2.0], [1.5])[0][0], squared, steps=50)
    assert model.context.item() == pytest.approx(1.5, abs=0.1)
    assert torch.equal(model.body.weight.detach(), found.state["body.weight"])
