"""The components of the target's mixture and their prior odds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from optuna_meta.surrogate.posterior import Component


__all__ = ["components"]

# Of the trust. With the arms' odds squared, reversing then chooses no trial before any evidence.
_REVERSE = 0.15


def components(trust: float) -> tuple[Component, ...]:
    """Components of which those that use the prior studies share the prior probability ``trust``.

    Args:
        trust: Prior probability, in (0, 1), that the prior studies inform the target.
    """
    following = [
        Component(1.0, deviation, residual, 1.0, noise, 1.0, own)
        for deviation, (residual, own), noise in product(
            (0.5, 1.0), ((0.2, False), (0.6, True)), (0.03, 0.15)
        )
    ]
    reversing = [Component(-1.0, 1.0, 0.5, 1.0, 0.1, 1.0, own=True)]
    cold = [
        *(Component(0.0, 0.0, 1.0, 1.0, noise, 1.0, own=True) for noise in (0.01, 0.04, 0.2, 1.0)),
        Component(0.0, 0.0, 1.0, 2.0, 0.1, 1.0, own=True),
        Component(0.0, 0.0, 1.0, 1.0, 0.1, 1.0),
    ]
    reverse = _REVERSE * trust
    shares = ((following, trust - reverse), (reversing, reverse), (cold, 1.0 - trust))
    return tuple(
        replace(component, odds=share / len(group))
        for group, share in shares
        for component in group
        if share > 0.0
    )
