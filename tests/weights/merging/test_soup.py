from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.merging.soup import greedy_soup
from optuna_meta.weights.merging.soup import learn_weights


def points() -> list[dict[str, Tensor]]:
    """Weights on both sides of (1, 1, 1), and one far off."""
    moves = [
        [0.4, 0.0, 0.0],
        [-0.3, 0.1, 0.0],
        [0.0, 0.5, 0.3],
        [0.0, -0.4, -0.4],
        [9.0, 9.0, 9.0],
    ]
    return [{"weight": 1.0 + torch.tensor([move])} for move in moves]


def error(checkpoint: Checkpoint) -> float:
    return float((checkpoint.state["weight"] - 1.0).square().sum())


def test_the_greedy_soup_is_the_one_that_the_recipe_names() -> None:
    states = points()
    soup = greedy_soup(states, error, maximize=False)
    order = sorted(range(5), key=lambda i: error(Checkpoint(states[i])))
    chosen: list[int] = []
    for i in order:
        if not chosen or error(average([states[j] for j in [*chosen, i]])) < error(
            average([states[j] for j in chosen])
        ):
            chosen.append(i)
    assert [i for i, weight in enumerate(soup.weights) if weight] == sorted(chosen)
    assert 1 < len(chosen) < 5
    assert soup.score == pytest.approx(error(soup.checkpoint))
    assert soup.score == min(soup.score, *(error(Checkpoint(state)) for state in states))
    assert sum(soup.weights) == pytest.approx(1.0)


def test_a_soup_of_two_equals_brute_force() -> None:
    states = points()[:2]
    best = min(error(average(list(group))) for n in (1, 2) for group in combinations(states, n))
    assert greedy_soup(states, error, maximize=False).score == pytest.approx(best)
    higher = greedy_soup(states, lambda c: -error(c))
    assert higher.score == pytest.approx(-best)


def test_diverged_checkpoints_are_left_out() -> None:
    bad = {"weight": torch.full((1, 3), float("nan"))}
    assert greedy_soup([bad, *points()], error, maximize=False).weights[0] == 0.0
    with pytest.raises(ValueError, match="must have a finite score, got"):
        greedy_soup([bad], error)


def regression(start: float) -> Callable[[], nn.Linear]:
    def make() -> nn.Linear:
        model = nn.Linear(3, 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[start, 1.0, 1.0]]))
        return model

    return make


def test_learned_weights_reach_the_best_mixture() -> None:
    states = [regression(start)().state_dict() for start in (0.0, 3.0)]
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    batches = [(x, x.sum(1, keepdim=True))]  # The best weights are all 1.
    model = regression(7.0)()

    def loss(predict: Callable[..., Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.mse_loss(predict(batch[0]), batch[1])

    weights = learn_weights(model, states, batches, loss, steps=200)
    assert weights == pytest.approx((2 / 3, 1 / 3), abs=0.01)
    assert model.weight[0, 0].item() == 7.0 and model.training
    assert weights == learn_weights(model, states, batches, loss, steps=200)
    with pytest.raises(ValueError, match="must be a checkpoint at least"):
        learn_weights(model, [], batches, loss)
