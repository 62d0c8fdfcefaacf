from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
import torch.nn.functional as F

from optuna_meta.weights.meta_learning.joint import joint_init
from optuna_meta.weights.warm_start.initialize import initialize
from tests.weights.meta_learning.toys import networks
from tests.weights.meta_learning.toys import Quadratic
from tests.weights.meta_learning.toys import squared


def test_joint_training_finds_the_weighted_optimum() -> None:
    eye = torch.eye(1).double()
    tasks = [[(eye, torch.tensor([w]).double())] for w in (1.0, 3.0)]
    found = joint_init(Quadratic([0.0]), tasks, squared, weights=[6.0, 4.0], steps=800, lr=0.05)
    assert found.state["theta"].item() == pytest.approx(0.6 * 1.0 + 0.4 * 3.0, abs=1e-3)
    assert found.metadata.extra["weights"] == [0.6, 0.4]
    report = initialize(Quadratic([0.0]), found)
    assert report.summary()["made_by"] == "joint" and "made by joint" in str(report)


def test_batches_may_be_nested() -> None:
    x = torch.randn(4, 3)
    tasks = [[{"x": x, "y": [torch.zeros(4, 1)], "name": "a"}]]
    model, _ = networks()

    def loss(predict: Callable[..., Tensor], batch: dict[str, Any]) -> Tensor:
        return F.mse_loss(predict(batch["x"]), batch["y"][0])

    losses = [joint_init(model, tasks, loss, steps=n).metadata.extra["loss"] for n in (1, 40)]
    assert np.isfinite(losses).all() and losses[1] < losses[0]
