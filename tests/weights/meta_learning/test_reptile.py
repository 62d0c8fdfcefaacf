from __future__ import annotations

import torch

from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.reptile import reptile_init
from tests.weights.meta_learning.toys import Quadratic
from tests.weights.meta_learning.toys import squared


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
