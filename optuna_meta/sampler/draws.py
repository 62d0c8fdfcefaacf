"""Where a sampler's random numbers come from: whoever asks of a trial gets the same ones."""

from __future__ import annotations

import zlib

import numpy as np
from optuna.samplers import RandomSampler


__all__ = ["Draws"]


class Draws:
    """Generators by what they are for, not by what was drawn before.

    So a study that is resumed goes on as if it had not been interrupted, and of several workers
    each draws its own, though their seed be one: their trials have other numbers.

    Args:
        seed: Of all draws; of the system's own choice if ``None``.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = _entropy(seed)

    def reseed(self) -> None:
        """Draw differently from now on."""
        self._seed = _entropy(None)

    @property
    def pool_seed(self) -> tuple[int, ...]:
        """Seed of the candidates that serve a study's every trial."""
        return (self._seed, 0)

    def of_trial(self, number: int) -> np.random.Generator:
        """Return what the plan of a trial draws from."""
        return np.random.default_rng([self._seed, 1, number])

    def of_parameter(self, number: int, name: str) -> RandomSampler:
        """Return what draws a parameter of which nothing is known in a trial."""
        mark = zlib.crc32(name.encode("utf-8", "backslashreplace"))
        sequence = np.random.SeedSequence([self._seed, 2, number, mark])
        return RandomSampler(seed=int(sequence.generate_state(1)[0]))


def _entropy(seed: int | None) -> int:
    return int(np.random.default_rng(seed).integers(2**63))
