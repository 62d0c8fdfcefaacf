from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.fine_tuning.early_stopping import BestWeights
from optuna_meta.weights.fine_tuning.freeze import freeze
from optuna_meta.weights.fine_tuning.freeze import linear_probe
from optuna_meta.weights.fine_tuning.learning_rates import parameter_groups
from optuna_meta.weights.fine_tuning.regularization import L2SP
from optuna_meta.weights.fine_tuning.regularization import shrink_and_perturb


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


BODY = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}


def test_what_is_frozen_does_not_change_statistics_included() -> None:
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    train(model, optimiser=optimiser)
    before = copied(model)
    frozen = freeze(model, ["0", "1.*"])
    assert frozen.names == ("0.weight", "0.bias", "1.weight", "1.bias")
    train(model, optimiser=optimiser)
    assert changed(model, before) == {"3.weight", "3.bias", "4.weight", "4.bias"}
    frozen.release()
    train(model, optimiser=optimiser)
    assert changed(model, before) >= BODY


def test_a_linear_probe_trains_the_head_alone() -> None:
    model = network()
    model[3].bias.requires_grad_(False)  # type: ignore[union-attr]
    before = copied(model)
    with linear_probe(model, head=["4"]):
        pickle.dumps(copy.deepcopy(model))
        train(model)
    assert changed(model, before) == {"4.weight", "4.bias"}
    assert model.training and all(module.training for module in model.modules())
    train(model)
    assert changed(model, before) >= BODY and "3.bias" not in changed(model, before)


@pytest.mark.parametrize("function", [freeze, linear_probe])
def test_patterns_that_match_nothing_are_refused(function: type) -> None:
    with pytest.raises(ValueError, match="No parameter matches .*absent.*0.weight"):
        function(network(), ["absent"])


def test_learning_rates_fall_towards_the_input() -> None:
    model = network()
    groups = parameter_groups(model, 0.1, decay=0.5)
    assert [group["lr"] for group in groups] == pytest.approx([0.025, 0.05, 0.1])
    assert [len(group["params"]) for group in groups] == [4, 2, 2]
    assert groups[-1]["params"][0] is model[4].weight
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    train(model, optimiser=torch.optim.SGD(groups))


def test_a_decay_of_one_is_plain_training() -> None:
    a, b = network(), network()
    for model, parameters in ((a, a.parameters()), (b, parameter_groups(b, 0.1, decay=1.0))):
        torch.manual_seed(1)
        train(model, optimiser=torch.optim.SGD(parameters, lr=0.1))  # type: ignore[arg-type]
    assert not changed(a, copied(b))


def test_layers_and_weight_decay_are_given() -> None:
    model = network()
    freeze(model, ["3"])
    groups = parameter_groups(model, 0.1, layers=[["0", "1"], ["*"]], weight_decay=0.01)
    found = [(round(g["lr"], 9), g["weight_decay"], len(g["params"])) for g in groups]
    expected = [(0.075, 0.01, 1), (0.075, 0.0, 3), (0.1, 0.01, 1), (0.1, 0.0, 1)]
    assert sorted(found) == sorted(expected)
    with pytest.raises(ValueError, match="'0.weight' is in none of the 1 layers"):
        parameter_groups(model, 0.1, layers=[["4"]])
    with pytest.raises(ValueError, match="must be positive"):
        parameter_groups(model, 0.0)


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

    with pytest.raises(ValueError, match="'0' .Bare. has parameters and no"):
        shrink_and_perturb(nn.Sequential(Bare()))
    with pytest.raises(ValueError, match=r"must have '0.weight' of shape \(8, 4\)"):
        shrink_and_perturb(network(), fresh=nn.Sequential(nn.Linear(3, 8)))


@pytest.mark.parametrize("maximize", [False, True])
def test_the_best_weights_come_back(maximize: bool) -> None:
    model = network()
    best = BestWeights(model, patience=2, maximize=maximize)
    states = []
    values = [3.0, 1.0, float("nan"), 2.0]
    for value in values:
        train(model, 1)
        states.append(copied(model))
        assert not best.should_stop
        best.update(-value if maximize else value)
    assert best.should_stop and best.step == 1
    assert best.value == (-1.0 if maximize else 1.0)
    best.restore()
    assert not changed(model, states[1])
    train(model, 1)
    best.restore()
    assert not changed(model, states[1])


def test_small_gains_do_not_count_and_nothing_finite_is_told() -> None:
    best = BestWeights(network(), patience=3, least_gain=0.1)
    assert [best.update(value) for value in (1.0, 0.95, 0.85)] == [True, False, True]
    empty = BestWeights(network())
    assert not empty.update(float("nan"))
    with pytest.raises(ValueError, match="None of the 1 values was finite"):
        empty.restore()
    with pytest.raises(ValueError, match="patience must be positive"):
        BestWeights(network(), patience=0)
