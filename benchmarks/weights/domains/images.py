"""Images: UCI digits after digits under other conditions, and Fashion-MNIST after other classes.

``disjoint`` are digits after studies of other digits, which have little to give: on so small
images any five classes are learned as fast from scratch.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from benchmarks.weights import data as weights_data
from benchmarks.weights.data import FASHION
from benchmarks.weights.data import Labelled
from benchmarks.weights.domain import CLASSES
from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Pool
from benchmarks.weights.domain import Prior
from benchmarks.weights.training import HEAD
from benchmarks.weights.training import network


__all__ = ["digits", "disjoint", "fashion", "FASHION"]

_CHECKS = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150)
_RATES = (5e-4, 1.5e-3, 4e-3, 1e-2)


def digits(shots: int, seed: int) -> Domain:
    """UCI digits, plain, after six studies of other digits under other conditions.

    Args:
        shots: Images of each class to train on in the new task.
        seed: Of the split.
    """
    return _domain(weights_data.digits(shots, seed))


def disjoint(shots: int, seed: int) -> Domain:
    """Five of the UCI digits after four studies of the other five, under one condition each.

    Args:
        shots: Images of each class to train on in the new task.
        seed: Of the classes and the split.
    """
    return _domain(weights_data.disjoint(shots, seed))


def fashion(folder: Path, shots: int, seed: int) -> Domain:
    """Four classes of Fashion-MNIST after four studies of other classes, at 14 x 14 points.

    Args:
        folder: Where the four files are.
        shots: Images of each class to train on in the new task.
        seed: Of the classes and the split.
    """
    return _domain(weights_data.fashion(folder, shots, seed))


def _domain(images: weights_data.Domain) -> Domain:
    build = partial(network, images.train.x.shape[-1], images.n_classes)
    priors = [
        Prior(
            prior.name,
            build,
            _data(prior.train),
            _data(prior.valid),
            images.same_labels,
            described=(prior.train.x[:, 0].numpy(), prior.train.y.numpy()),
        )
        for prior in _named_apart(images)
    ]
    known = [torch.cat(pair) for pair in zip(images.train, images.valid, strict=True)]
    return Domain(
        CLASSES,
        build,
        priors,
        Pool(build, [prior.train for prior in priors], images.same_labels),
        _data(images.train),
        _data(images.valid),
        _data(images.test),
        _CHECKS,
        _RATES,
        HEAD,
        described=(known[0][:, 0].numpy(), known[1].numpy()),
        prior_steps=200,
        rounds=400,
    )


def _named_apart(images: weights_data.Domain) -> list[weights_data.Prior]:
    """Studies of classes may have drawn the same ones."""
    if images.same_labels:
        return images.priors
    return [prior._replace(name=f"{i}: {prior.name}") for i, prior in enumerate(images.priors)]


def _data(images: Labelled) -> Data:
    return Data(images.x, images.y)
