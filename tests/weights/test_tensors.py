"""What is one tensor and what is two, of any kind of tensor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn
import torch.distributed as dist

from optuna_meta.weights import average
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import initialize
from optuna_meta.weights.tensors import untied
from tests.weights.toys import store_in


class TwoParts(torch.Tensor):
    """A wrapper around two tensors, which has no address of its own, as FSDP2's has."""

    @staticmethod
    def __new__(cls, first: torch.Tensor, second: torch.Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, first.shape, dtype=first.dtype)

    def __init__(self, first: torch.Tensor, second: torch.Tensor) -> None:
        self.first, self.second = first, second

    def __tensor_flatten__(self) -> Any:
        return ["first", "second"], None

    @staticmethod
    def __tensor_unflatten__(inner: Any, meta: Any, size: Any, stride: Any) -> Any:
        return TwoParts(inner["first"], inner["second"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first = func(*(a.first if isinstance(a, TwoParts) else a for a in args), **(kwargs or {}))
        return TwoParts(first, first) if isinstance(first, torch.Tensor) else first


def test_wrappers_without_an_address_are_told_apart_and_refused_with_advice() -> None:
    parts = [TwoParts(torch.full((2,), n), torch.zeros(2)) for n in (1.0, 2.0)]
    assert parts[0].data_ptr() == parts[1].data_ptr() == 0
    _, aliases = untied({"a": parts[0], "b": parts[1], "c": parts[0]})
    assert aliases == {"c": "a"}
    model = nn.Module()
    for name, part in zip("ab", parts, strict=True):
        model.register_buffer(name, part)
    for use in (
        lambda: Checkpoint.from_model(model),
        lambda: average([{"a": parts[0]}]),
        lambda: initialize(nn.Linear(2, 2), {"weight": parts[0]}),
    ):
        with pytest.raises(ValueError, match="'a|weight' is a TwoParts, .* full_tensor"):
            use()


def test_plain_tensors_are_one_by_their_memory() -> None:
    whole = torch.arange(6.0)
    state = {
        "a": whole,
        "b": whole.detach(),
        "c": whole[:3],
        "d": whole.view(2, 3),
        "e": whole + 0,
    }
    assert untied(state)[1] == {"b": "a"}
    empty = torch.empty(0)
    assert untied({"a": empty, "b": empty})[1] == {}


@pytest.fixture
def one_rank(tmp_path: Path) -> Iterator[Any]:
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    if not hasattr(fsdp, "fully_shard"):
        pytest.skip("torch is older than FSDP2")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rank", rank=0, world_size=1)
    yield fsdp.fully_shard
    dist.destroy_process_group()


def layers(seed: int, tied: bool = False) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    if tied:
        model[2].weight = model[0].weight
    return model


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_fsdp2_is_gathered_resumed_and_initialized(one_rank: Any, tmp_path: Path) -> None:
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh("cpu", (1,))
    store, trial = store_in(tmp_path / "artifacts"), optuna.create_study().ask()

    def sharded(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        model = layers(seed)
        for layer in model:
            one_rank(layer, mesh=mesh)
        one_rank(model, mesh=mesh)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(model(torch.ones(2, 4)).square().mean())
        optimizer.step()

    def full(model: nn.Module) -> dict[str, Any]:
        return {
            n: getattr(t, "full_tensor", lambda t=t: t)().tolist()
            for n, t in model.state_dict().items()
        }

    model, optimizer = sharded(1)
    plain = layers(1)
    loaded = Checkpoint.from_model(model)
    assert all(torch.equal(loaded.state[n], t) for n, t in plain.state_dict().items())
    assert type(loaded.state["0.weight"]) is torch.Tensor

    step(model, optimizer)
    record = store.save(trial, model, optimizer=optimizer)
    assert len({t.data_ptr() for t in store.load(record).state.values()}) == 6
    other, its = sharded(2)
    assert store.resume(trial, other, its) == record
    assert full(other) == full(model)
    step(model, optimizer), step(other, its)
    assert full(other) == full(model)

    third, _ = sharded(3)
    initialize(third, store.load(record), partial="error")
    step(third, torch.optim.SGD(third.parameters(), lr=0.0))
    assert full(third) == {n: t.tolist() for n, t in store.load(record).state.items()}
    wide = {
        n: torch.full((5, 5) if t.ndim > 1 else (5,), 2.0) for n, t in plain.state_dict().items()
    }
    initialize(third, wide, partial="overlap")
    assert full(third)["0.weight"] == [[2.0] * 4] * 4


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_tied_distributed_tensors_stay_tied(one_rank: Any) -> None:
    from torch.distributed.device_mesh import init_device_mesh

    model = layers(1, tied=True)
    one_rank(model, mesh=init_device_mesh("cpu", (1,)))
    state = Checkpoint.from_model(model).state
    assert state["0.weight"] is state["2.weight"]
    assert not torch.equal(state["0.weight"], state["1.weight"])
