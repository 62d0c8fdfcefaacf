"""Two recommenders, how they learn, and how well they do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn
from torch import Tensor
from torch.nn.functional import softplus

from examples.common import Options
from examples.recommendation.data import LIKED
from examples.recommendation.data import Ratings
from examples.recommendation.data import TRAIN


_PAIRS = 65_536  # that are judged at once


class MatrixFactorisation(nn.Module):
    """Biases and the product of a user's and a film's factors.

    Args:
        ratings: The task.
        factors: How many there are.
        spread: Of the factors at first.
    """

    def __init__(self, ratings: Ratings, factors: int, spread: float) -> None:
        super().__init__()
        self.user, self.film = (
            nn.Embedding(n, factors) for n in (ratings.n_users, len(ratings.film_ids))
        )
        self.user_bias, self.film_bias = (
            nn.Embedding(n, 1) for n in (ratings.n_users, len(ratings.film_ids))
        )
        self.mean = nn.Parameter(torch.tensor(ratings.rating[ratings.part == TRAIN].mean()))
        for table in (self.user, self.film):
            nn.init.normal_(table.weight, std=spread)
        for table in (self.user_bias, self.film_bias):
            nn.init.zeros_(table.weight)

    def forward(self, pairs: Tensor) -> Tensor:
        """Return ratings (n,) of pairs of user and film (n, 2)."""
        user, film = pairs.unbind(1)
        biases = self.user_bias(user) + self.film_bias(film)
        rated: Tensor = self.mean + biases[:, 0] + self.affinity(self.user(user), self.film(film))
        return rated

    def affinity(self, user: Tensor, film: Tensor) -> Tensor:
        """Return how well factors (n, factors) suit each other.  # (n,)"""
        return (user * film).sum(1)


class NeuralRecommender(MatrixFactorisation):
    """A network of a user's and a film's factors in place of their product.

    Args:
        ratings: The task.
        factors: How many there are.
        spread: Of the factors at first.
        width: Of the network's layers.
        depth: How many layers it has.
        dropout: Behind each.
    """

    def __init__(
        self, ratings: Ratings, factors: int, spread: float, width: int, depth: int, dropout: float
    ) -> None:
        super().__init__(ratings, factors, spread)
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Linear(width if i else 2 * factors, width), nn.ReLU()]
            layers.append(nn.Dropout(dropout))
        self.network = nn.Sequential(*layers, nn.Linear(width, 1))

    def affinity(self, user: Tensor, film: Tensor) -> Tensor:
        """Return how well factors (n, factors) suit each other.  # (n,)"""
        suited: Tensor = self.network(torch.cat([user, film], 1))[:, 0]
        return suited


def batches(ratings: Ratings, size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pairs of user and film (m, 2) and their ratings (m,), of an epoch."""
    known = ratings.part == TRAIN
    pairs = torch.tensor(np.stack([ratings.user, ratings.film], 1)[known], device=device)
    values = torch.tensor(ratings.rating[known], device=device)
    for rows in torch.split(torch.randperm(len(pairs)).to(device), size):
        yield pairs[rows], values[rows]


def loss_of(model: nn.Module, pairs: Tensor, values: Tensor, n_films: int, share: float) -> Tensor:
    """Return squared errors, and as a share how often chance beats a film that was liked.

    The latter is the loss of Rendle et al. (2009), "BPR: Bayesian personalized ranking from
    implicit feedback".
    """
    drawn = torch.randint(n_films, (len(pairs),), device=pairs.device)
    rated, other = model(torch.cat([pairs, torch.stack([pairs[:, 0], drawn], 1)])).chunk(2)
    ranking = (softplus(other - rated) * (values >= LIKED)).mean()
    loss: Tensor = (1 - share) * (rated - values).square().mean() + share * ranking
    return loss


@torch.no_grad()
def predict(model: nn.Module, ratings: Ratings, options: Options) -> NDArray[np.float32]:
    """Return what each user would rate each film.  # (n_users, n_films)"""
    model.eval()
    users, films = torch.arange(ratings.n_users), torch.arange(len(ratings.film_ids))
    pairs = torch.cartesian_prod(users, films).to(options.device)
    with options.autocast():
        rated = torch.cat([model(part) for part in torch.split(pairs, _PAIRS)]).float().cpu()
    model.train()
    known: NDArray[np.float32] = np.nan_to_num(rated.numpy())
    return known.reshape(len(users), len(films))


def judged(predicted: NDArray[np.float32], ratings: Ratings, part: int) -> tuple[float, float]:
    """Return RMSE and NDCG@10 of predictions (n_users, n_films) on one part of the ratings."""
    return rmse(predicted, ratings, part), ndcg(predicted, ratings, part)


def rmse(predicted: NDArray[np.float32], ratings: Ratings, part: int) -> float:
    """Return the root mean squared error of predictions (n_users, n_films), from 1 to 5."""
    held = ratings.part == part
    rated = predicted[ratings.user[held], ratings.film[held]].clip(1.0, 5.0)
    return float(np.sqrt(np.mean((rated - ratings.rating[held]) ** 2)))


def ndcg(predicted: NDArray[np.float32], ratings: Ratings, part: int, first: int = 10) -> float:
    """Return how high the films that users like stand in lists of all that they had not rated.

    The mean over users with one such film at least, of predictions (n_users, n_films).
    """
    liked = np.zeros(predicted.shape)
    held = (ratings.part == part) & (ratings.rating >= LIKED)
    liked[ratings.user[held], ratings.film[held]] = 1.0
    before = ratings.part < part
    new = predicted.copy()
    new[ratings.user[before], ratings.film[before]] = -np.inf
    has_any = liked.any(axis=1)
    top = np.argsort(-new[has_any], axis=1)[:, :first]
    gains = np.take_along_axis(liked[has_any], top, axis=1)  # (n, first)
    discounts = 1.0 / np.log2(np.arange(2, first + 2))
    ideal = np.cumsum(discounts)[np.minimum(liked[has_any].sum(1).astype(int), first) - 1]
    return float((gains @ discounts[: gains.shape[1]] / ideal).mean())
