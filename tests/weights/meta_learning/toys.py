"""Small tasks, and each learner on them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torch.utils.data import TensorDataset


def squared(predict: Callable[..., Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(predict(batch[0]), batch[1])


class Quadratic(nn.Module):
    """Whose prediction is its parameters."""

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, matrix: Tensor) -> Tensor:
        return matrix @ self.theta


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
