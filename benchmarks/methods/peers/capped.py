"""Caps for the peers whose cost grows with the cube of all trials, prior ones included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.methods.peers.history import History


__all__ = ["MAX_FIT_STEPS", "MAX_SOURCES", "MAX_TRIALS", "capped"]

MAX_SOURCES = 4  # prior studies: the first ones, which is no choice by merit
MAX_TRIALS = 25  # of each of them, evenly spaced by rank, the best one among them
MAX_FIT_STEPS = 75  # of the likelihood's maximisation, which else takes half a minute


def capped(priors: Sequence[History]) -> list[History]:
    """The part of the prior studies that costly peers use."""
    return [_thinned(prior) for prior in priors[:MAX_SOURCES]]


def _thinned(prior: History) -> History:
    order = np.argsort(prior.losses, kind="stable")
    n_kept = min(MAX_TRIALS, len(order))
    kept = np.sort(order[np.linspace(0, len(order) - 1, n_kept).round().astype(int)])
    return History(
        configurations=[prior.configurations[i] for i in kept],
        spaces=[prior.spaces[i] for i in kept],
        losses=prior.losses[kept],
    )
