from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_meta.weights.fine_tuning.regularization import L2SP
from optuna_meta.weights.fine_tuning.regularization import shrink_and_perturb
from tests.weights.fine_tuning.toys import changed
from tests.weights.fine_tuning.toys import copied
from tests.weights.fine_tuning.toys import network


def test_the_penalty_is_the_square_of_the_way() -> None:
    model = network()
    penalty = L2SP(model, 0.2, head=["4"], head_strength=0.1)
    head = sum(float(p.detach().square().sum()) for p in model[4].parameters())
    assert float(penalty().detach()) == pytest.approx(0.05 * head, rel=1e-5)
    with torch.no_grad():
        model[0].weight += 1.0
    torch.autograd.backward(penalty())
    assert float(penalty().detach()) == pytest.approx(0.1 * 32 + 0.05 * head, rel=1e-5)
    torch.testing.assert_close(model[0].weight.grad, torch.full((8, 4), 0.2))
    torch.testing.assert_close(model[4].bias.grad, 0.1 * model[4].bias.detach())
    with pytest.raises(ValueError, match="must not be negative"):
        L2SP(model, -1.0)


def test_a_strong_penalty_holds_the_weights() -> None:
    moved = []
    for strength in (0.0, 10.0):
        model = network()
        start = model[0].weight.detach().clone()
        penalty = L2SP(model, strength)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
        torch.manual_seed(0)
        for _ in range(20):
            optimiser.zero_grad()
            loss = model(torch.randn(16, 4)).square().mean() + penalty()
            torch.autograd.backward(loss)
            optimiser.step()
        moved.append(float((model[0].weight.detach() - start).norm()))
    assert moved[1] < 0.2 * moved[0]


def test_shrink_and_perturb_mixes_with_a_fresh_network() -> None:
    model, fresh = network(1), network(2)
    before, new = copied(model), copied(fresh)
    shrink_and_perturb(model, shrink=0.4, perturb=0.1, fresh=fresh)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), 0.4 * before[name] + 0.1 * new[name])
    assert torch.equal(model[1].running_var, before["1.running_var"])


def test_a_fresh_network_is_made_from_a_seed() -> None:
    a, b, c = network(1), network(1), network(1)
    state = torch.get_rng_state()
    for model, seed in ((a, 5), (b, 5), (c, 6)):
        shrink_and_perturb(model, shrink=0.0, perturb=1.0, seed=seed)
    assert torch.equal(torch.get_rng_state(), state)
    assert not changed(a, copied(b)) and changed(a, copied(c))
    torch.manual_seed(5)
    assert torch.equal(nn.Linear(4, 8).weight, a[0].weight)


def test_a_network_that_cannot_be_made_anew_is_refused() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    class Small(nn.Module):
        """As transformers are: torch's modules, with much smaller weights than torch's."""

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(100, 100)
            nn.init.normal_(self.body.weight, std=0.001)

    with pytest.raises(ValueError, match="'0' is a Bare, whose initialisation is unknown: pass"):
        shrink_and_perturb(nn.Sequential(Bare()))
    model = Small()
    before = copied(model)
    with pytest.raises(ValueError, match="'The model itself' is a Small, .* as fresh"):
        shrink_and_perturb(model)
    assert not changed(model, before)
    state = torch.get_rng_state()
    shrink_and_perturb(model, shrink=0.0, perturb=1.0, fresh=Small, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert 0.0005 < float(model.body.weight.detach().std()) < 0.002
    wrapped = nn.DataParallel(Small())
    shrink_and_perturb(wrapped, shrink=0.0, perturb=1.0, fresh=Small, seed=3)
    assert torch.equal(wrapped.module.body.weight, model.body.weight)
    with pytest.raises(ValueError, match=r"must have '0.weight' of shape \(8, 4\)"):
        shrink_and_perturb(network(), fresh=nn.Sequential(nn.Linear(3, 8)))
