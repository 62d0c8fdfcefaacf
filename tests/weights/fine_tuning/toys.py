"""A small network, trained on noise, and what of it has changed."""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6), nn.Linear(6, 2)
    )


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {n for n, tensor in model.state_dict().items() if not torch.equal(before[n], tensor)}


def train(
    model: nn.Module, steps: int = 3, optimiser: torch.optim.Optimizer | None = None
) -> None:
    optimiser = optimiser or torch.optim.Adam(model.parameters(), lr=0.1)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(model(torch.randn(16, 4)).square().mean())
        optimiser.step()
