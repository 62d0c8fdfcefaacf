"""Networks with hidden units that may change places."""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
        self.out = nn.Linear(6 * 4 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = torch.relu(self.conv2(x)).flatten(1)
        return F.log_softmax(self.out(x), dim=1)


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Sequential(nn.Linear(16, 12), nn.Tanh()),
        nn.Linear(12, 12, bias=False),
        nn.GELU(),
        nn.Linear(12, 2),
    )
