from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torch.utils.data import TensorDataset

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning import loop
from optuna_meta.weights.meta_learning.joint import joint_init
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.maml import adapt
from optuna_meta.weights.meta_learning.maml import cavia_init
from optuna_meta.weights.meta_learning.maml import maml_init
from optuna_meta.weights.meta_learning.maml import meta_loss
from optuna_meta.weights.meta_learning.reptile import reptile_init
from optuna_meta.weights.warm_start.initialize import initialize


def squared(predict: Callable[..., Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(predict(batch[0]), batch[1])


class Quadratic(nn.Module):
    """Whose prediction is its parameters."""

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, matrix: Tensor) -> Tensor:
        return matrix @ self.theta


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


def same(a: Checkpoint, b: Checkpoint) -> bool:
    return all(torch.equal(a.state[name], b.state[name]) for name in a.state)


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


def test_reptile_on_identical_tasks_equals_gradient_descent() -> None:
    task = [(torch.eye(2).double(), torch.tensor([1.0, -2.0]).double())]
    model = Quadratic([0.3, 0.3])
    found = reptile_init(
        model,
        [task, task],
        squared,
        inner=InnerLoop(0.1, 4),
        outer=OuterLoop(1.0, 5, 2),
        final_lr=1.0,
    )
    plain = Quadratic([0.3, 0.3])
    optimiser = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(4 * 5):
        optimiser.zero_grad()
        torch.autograd.backward(squared(plain, task[0]))
        optimiser.step()
    torch.testing.assert_close(found.state["theta"], plain.theta.detach())


def test_reptile_goes_a_share_of_the_way() -> None:
    task = [(torch.eye(2).double(), torch.tensor([1.0, -2.0]).double())]
    model = Quadratic([0.0, 0.0])
    found = reptile_init(
        model, [task], squared, inner=InnerLoop(0.1, 1), outer=OuterLoop(0.5, 1, 1)
    )
    torch.testing.assert_close(found.state["theta"], 0.5 * 0.1 * task[0][1])


def test_joint_training_finds_the_weighted_optimum() -> None:
    eye = torch.eye(1).double()
    tasks = [[(eye, torch.tensor([w]).double())] for w in (1.0, 3.0)]
    found = joint_init(Quadratic([0.0]), tasks, squared, weights=[6.0, 4.0], steps=800, lr=0.05)
    assert found.state["theta"].item() == pytest.approx(0.6 * 1.0 + 0.4 * 3.0, abs=1e-3)
    assert found.metadata.extra["weights"] == [0.6, 0.4]
    report = initialize(Quadratic([0.0]), found)
    assert report.summary()["made_by"] == "joint" and "made by joint" in str(report)


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
    found = cavia_init(
        Contextual(), tasks, squared, context=["context"], outer=OuterLoop(0.05, 200, 4)
    )
    assert found.state["context"].item() == 0.0
    assert found.state["body.weight"].item() == pytest.approx(2.0, abs=0.1)
    model = Contextual()
    model.load_state_dict(dict(found.state))
    adapt(model, found, lines([2.0], [1.5])[0][0], squared, steps=50)
    assert model.context.item() == pytest.approx(1.5, abs=0.1)
    assert torch.equal(model.body.weight.detach(), found.state["body.weight"])


def networks() -> tuple[nn.Module, list[DataLoader[tuple[Tensor, ...]]]]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
    )
    loaders = [
        DataLoader(TensorDataset(torch.randn(20, 3), torch.randn(20, 1)), 8, shuffle=True)
        for _ in range(3)
    ]
    return model, loaders


LEARNERS: dict[str, Callable[..., Checkpoint]] = {
    "joint": lambda *a, **k: joint_init(*a, steps=5, **k),
    "reptile": lambda *a, **k: reptile_init(*a, outer=OuterLoop(1.0, 3, 2), **k),
    "maml": lambda *a, **k: maml_init(*a, outer=OuterLoop(1e-2, 3, 2), **k),
    "first order": lambda *a, **k: maml_init(
        *a, outer=OuterLoop(1e-2, 3, 2), first_order=True, **k
    ),
    "cavia": lambda *a, **k: cavia_init(*a, context=["4.bias"], outer=OuterLoop(1e-2, 3, 2), **k),
}


@pytest.mark.parametrize("kind", LEARNERS)
def test_one_seed_gives_one_result_and_nothing_else_changes(kind: str) -> None:
    model, loaders = networks()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    first = LEARNERS[kind](model, loaders, squared, seed=3)
    torch.rand(5)
    second = LEARNERS[kind](model, loaders, squared, seed=3)
    torch.set_rng_state(state)
    other = LEARNERS[kind](model, loaders, squared, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first, second) and not same(first, other)
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert first.state.keys() == before.keys()
    assert first.metadata.extra["made_by"].startswith(kind.split()[0])


@pytest.mark.parametrize("kind", LEARNERS)
def test_divergence_and_exhausted_tasks_are_told(kind: str) -> None:
    model, loaders = networks()

    def infinite(predict: Any, batch: Any) -> Tensor:
        return squared(predict, batch) * float("inf")

    with pytest.raises(ValueError, match="The loss must be finite"):
        LEARNERS[kind](model, loaders, infinite)
    with pytest.raises(ValueError, match="Task 0 has no batch left"):
        LEARNERS[kind](model, [iter(loaders[0])], squared)
    with pytest.raises(ValueError, match="must be a task at least|got 0 tasks"):
        LEARNERS[kind](model, [], squared)


@pytest.mark.parametrize("kind", LEARNERS)
def test_mixed_precision_leads_nearly_to_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, loaders = networks()
    full = LEARNERS[kind](model, loaders, squared, seed=3)
    entered = []

    def half(device: torch.device) -> torch.autocast:
        entered.append(device)
        return torch.autocast(device.type, torch.bfloat16)

    monkeypatch.setattr(loop, "mixed_precision", half)
    mixed = LEARNERS[kind](model, loaders, squared, seed=3)
    assert entered and not same(full, mixed)
    for name, tensor in mixed.state.items():
        assert tensor.dtype == full.state[name].dtype
        torch.testing.assert_close(tensor, full.state[name], atol=0.05, rtol=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", LEARNERS)
def test_a_gpu_leads_nearly_to_the_same(kind: str) -> None:
    model, loaders = networks()
    model[3] = nn.Identity()  # type: ignore[index]  # Dropout draws otherwise there.
    here = LEARNERS[kind](model, loaders, squared, seed=3)
    there = LEARNERS[kind](model, loaders, squared, seed=3, device="cuda")
    for name, tensor in there.state.items():
        assert tensor.device.type == "cpu"
        torch.testing.assert_close(tensor, here.state[name], atol=0.05, rtol=0.05)


def test_wrong_arguments_are_refused() -> None:
    model, loaders = networks()
    with pytest.raises(ValueError, match="No trainable parameter matches.*0.weight"):
        cavia_init(model, loaders, squared, context=["absent"])
    with pytest.raises(ValueError, match="got 3 tasks and 1 weights"):
        joint_init(model, loaders, squared, weights=[1.0])
    with pytest.raises(ValueError, match="must be of maml_init or cavia_init, got one of 'joint'"):
        adapt(model, joint_init(model, loaders, squared, steps=1), None, squared)
    for wrong in (lambda: InnerLoop(lr=0.0), lambda: OuterLoop(rounds=0)):
        with pytest.raises(ValueError, match="must be positive"):
            wrong()


def test_batches_may_be_nested() -> None:
    x = torch.randn(4, 3)
    tasks = [[{"x": x, "y": [torch.zeros(4, 1)], "name": "a"}]]
    model, _ = networks()

    def loss(predict: Callable[..., Tensor], batch: dict[str, Any]) -> Tensor:
        return F.mse_loss(predict(batch["x"]), batch["y"][0])

    losses = [joint_init(model, tasks, loss, steps=n).metadata.extra["loss"] for n in (1, 40)]
    assert np.isfinite(losses).all() and losses[1] < losses[0]
