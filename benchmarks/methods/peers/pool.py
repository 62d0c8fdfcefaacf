"""The configurations that peers with a model of their own choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.methods.peers.history import History
from benchmarks.methods.peers.planned import Target


__all__ = ["candidates"]

_N_RANDOM = 1000
_N_NEAR = 300
_N_BEST = 3  # of each prior study, and of the target to look for neighbours of


def candidates(
    target: Target, priors: Sequence[History], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Random ones, the best ones of each prior study and their neighbours, none tried before."""
    known = target.space.adopted(params for prior in priors for params in prior.best(_N_BEST))
    bases = target.history.best(_N_BEST) or known
    near = target.space.neighbours(bases, _N_NEAR, rng) if bases else []
    pool = [*target.space.random(_N_RANDOM, rng), *known, *near]
    return [pool[i] for i in target.fresh(pool)]
