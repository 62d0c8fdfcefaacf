"""The components of the target's mixture and their prior odds."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from itertools import product


__all__ = ["Arm", "Component", "components"]

# Of the trust. With the arms' odds squared, reversing then chooses no trial before any evidence.
_REVERSE = 0.15


class Arm(Enum):
    """What a component makes of the prior studies."""

    FOLLOW = 1
    COLD = 0  # nothing
    REVERSE = -1


@dataclass(frozen=True)
class Component:
    """One process of the mixture.

    Args:
        slope: b, the share of the priors' mean that the target follows (-1: the reverse).
        deviation: sigma_a, how freely the target departs in the priors' own directions.
        residual: sigma_r, how far it departs in directions that no prior shows.
        stretch: Factor on the residual's length scales.
        own: Whether these are the length scales that the target's own trials show, or those of
            the prior studies.
        noise: sigma_n.
        odds: Prior probability, up to a factor.
    """

    slope: float
    deviation: float
    residual: float
    stretch: float
    noise: float
    odds: float
    own: bool = False

    @property
    def residual_kind(self) -> tuple[bool, float]:
        """What components with the same correlation of the residual share."""
        return self.own, self.stretch

    @property
    def transfers(self) -> bool:
        """Whether the component uses the priors at all."""
        return self.slope != 0.0 or self.deviation != 0.0

    @property
    def arm(self) -> Arm:
        """What the component makes of the priors."""
        if not self.transfers:
            return Arm.COLD
        return Arm.REVERSE if self.slope < 0.0 else Arm.FOLLOW

    @property
    def is_noise(self) -> bool:
        """Whether the component sees as much noise as there is to see."""
        return not self.transfers and self.noise >= self.residual


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
