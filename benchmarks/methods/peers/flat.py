"""Search spaces without conditions, for packages that know none."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.methods.peers.parameters import choice_key
from benchmarks.methods.peers.parameters import Distributions
from benchmarks.methods.peers.parameters import fit
from benchmarks.methods.peers.parameters import fitted
from benchmarks.tasks.task import Params


__all__ = ["FlatSpace"]


class FlatSpace:
    """A search space with all parameters active and choices as text.

    Args:
        distributions:
            The parameters.
    """

    def __init__(self, distributions: Distributions) -> None:
        self.distributions = dict(distributions)

    def flat(self, params: Params) -> dict[str, Any]:
        """A configuration with all parameters: the middle or first value of what it lacks."""
        known = fit(params, self.distributions)
        return {
            name: _text(known.get(name, _default(d)), d) for name, d in self.distributions.items()
        }

    def params(self, config: Params) -> dict[str, Any]:
        """The configuration behind a flat one, in plain Python values."""
        result: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            value = config[name]
            if isinstance(distribution, CategoricalDistribution):
                by_key = {choice_key(choice): choice for choice in distribution.choices}
                result[name] = by_key[value]
            else:
                result[name] = value.item() if isinstance(value, np.generic) else value
        return result


def _default(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    middle = (low * high) ** 0.5 if distribution.log else (low + high) / 2
    return fitted(middle, distribution)[0]


def _text(value: Any, distribution: BaseDistribution) -> Any:
    return choice_key(value) if isinstance(distribution, CategoricalDistribution) else value
