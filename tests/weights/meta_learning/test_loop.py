from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning import loop
from optuna_meta.weights.meta_learning.joint import joint_init
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.maml import adapt
from optuna_meta.weights.meta_learning.maml import maml_init
from optuna_meta.weights.meta_learning.reptile import reptile_init
from tests.weights.meta_learning.toys import networks
from tests.weights.meta_learning.toys import squared


def same(a: Checkpoint, b: Checkpoint) -> bool:
    return all(torch.equal(a.state[name], b.state[name]) for name in a.state)


LEARNERS: dict[str, Callable[..., Checkpoint]] = {
    "joint": lambda *a, **k: joint_init(*a, steps=5, **k),
    "reptile": lambda *a, **k: reptile_init(*a, outer=OuterLoop(1.0, 3, 2), **k),
    "maml": lambda *a, **k: maml_init(*a, outer=OuterLoop(1e-2, 3, 2), **k),
    "first order": lambda *a, **k: maml_init(
        *a, outer=OuterLoop(1e-2, 3, 2), first_order=True, **k
    ),
    "cavia": lambda *a, **k: maml_init(*a, context=["4.bias"], outer=OuterLoop(1e-2, 3, 2), **k),
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
        maml_init(model, loaders, squared, context=["absent"])
    with pytest.raises(ValueError, match="got 3 tasks and 1 weights"):
        joint_init(model, loaders, squared, weights=[1.0])
    with pytest.raises(ValueError, match="must be of maml_init, got one of 'joint'"):
        adapt(model, joint_init(model, loaders, squared, steps=1), None, squared)
    for wrong in (lambda: InnerLoop(lr=0.0), lambda: OuterLoop(rounds=0)):
        with pytest.raises(ValueError, match="must be positive"):
            wrong()
