"""Names are one scheme under every wrapper, whatever is done with them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
import torch.distributed as dist

from optuna_meta.weights import adapt
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import freeze
from optuna_meta.weights import initialize
from optuna_meta.weights import InnerLoop
from optuna_meta.weights import L2SP
from optuna_meta.weights import linear_probe
from optuna_meta.weights import maml_init
from optuna_meta.weights import OuterLoop
from optuna_meta.weights import parameter_groups


class Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.relu(self.first(x)))
        return result


class Net(nn.Module):
    def __init__(self, wrap: Callable[[nn.Module], nn.Module] = lambda module: module) -> None:
        super().__init__()
        self.body, self.head = wrap(Body()), nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.body(x))
        return result


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    if not dist.is_available():
        pytest.skip("torch has no torch.distributed here")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rank", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def _checkpointed(module: nn.Module) -> nn.Module:
    wrapper = pytest.importorskip(
        "torch.distributed.algorithms._checkpoint.checkpoint_wrapper"
    ).checkpoint_wrapper
    wrapped: nn.Module = wrapper(module)
    return wrapped


def _compiled(module: nn.Module) -> nn.Module:
    return torch.compile(module, backend="eager")  # type: ignore[return-value]


WRAPPED = {
    "activation checkpointing": lambda: Net(_checkpointed),
    "compiled": lambda: _compiled(Net()),
    "compiled part": lambda: Net(_compiled),
    "data parallel": lambda: nn.DataParallel(Net()),
    "distributed": lambda: nn.parallel.DistributedDataParallel(Net()),
    "all of them": lambda: nn.parallel.DistributedDataParallel(Net(_checkpointed)),
}
NAMES = {
    f"{part}.{kind}"
    for part in ("body.first", "body.second", "head")
    for kind in ("weight", "bias")
}


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("kind", WRAPPED)
def test_names_are_the_plain_models(kind: str) -> None:
    torch.manual_seed(0)
    model, source = WRAPPED[kind](), Net()
    checkpoint = Checkpoint.from_model(source)
    assert Checkpoint.from_model(model).state.keys() == checkpoint.state.keys() == NAMES
    initialize(model, checkpoint, partial="error")
    found = Checkpoint.from_model(model).state
    assert all(torch.equal(found[name], tensor) for name, tensor in checkpoint.state.items())
    frozen = freeze(model, ["body.first"])
    assert frozen.names == ("body.first.weight", "body.first.bias")
    assert sum(not p.requires_grad for p in model.parameters()) == 2
    frozen.release()
    with linear_probe(model, ["head"]) as probe:
        assert set(probe.names) == {name for name in NAMES if name.startswith("body")}
    groups = parameter_groups(model, 0.1, layers=[["body.first"], ["body.*"], ["head"]])
    assert [len(group["params"]) for group in groups] == [2, 2, 2]
    L2SP(model, head=["head.weight"])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_an_adapted_start_fits_wrapped_and_plain_models() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 2)
    batch = (x, x.sum(1, keepdim=True))
    wrapped = Net(_checkpointed)
    start = maml_init(
        wrapped,
        [[batch] * 8],
        lambda predict, b: (predict(b[0]) - b[1]).square().mean(),
        adapted=["body", "head.weight"],
        first_order=True,
        inner=InnerLoop(steps=1, lr=0.1),
        outer=OuterLoop(rounds=2, tasks=1),
    )
    assert set(start.metadata.extra["adapted"]) == NAMES - {"head.bias"}
    results = []
    for model in (Net(), Net(_checkpointed)):
        initialize(model, start, partial="error")
        adapt(model, start, batch, lambda predict, b: (predict(b[0]) - b[1]).square().mean())
        results.append(Checkpoint.from_model(model).state)
    assert all(torch.equal(results[0][name], results[1][name]) for name in NAMES)
    assert not torch.equal(results[0]["head.weight"], start.state["head.weight"])
    with pytest.raises(ValueError, match="The model has none of .'body.first.weight'"):
        adapt(nn.Linear(2, 1), start, batch, lambda predict, b: predict(b[0]).mean())
