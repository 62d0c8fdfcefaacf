"""Prior studies that are read again while the target runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["Refresh"]


@dataclass
class Refresh:
    """How and when a sampler asks for the prior studies anew.

    Args:
        read: Returns the prior studies as they are now, given those that are known.
        every: Trials from one reading to the next.

    Raises:
        ValueError: ``every`` is not at least 1.
    """

    read: Callable[[FittedPrior], FittedPrior] | None = None
    every: int = 20
    _last: int | None = None  # Trial that this process planned after the latest reading.

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"refresh_every must be at least 1 trial, got {self.every}.")

    def is_due(self, number: int) -> bool:
        """Tell whether the trial of this number is planned after a reading."""
        last, self._last = self._last, number
        if self.read is None or last is None:
            return False
        return number // self.every > last // self.every

    def renewed(self, known: FittedPrior) -> FittedPrior:
        """Return the prior studies as they are now; the very same where nothing has changed."""
        found = known if self.read is None else self.read(known)
        if not isinstance(found, FittedPrior):
            raise ValueError(f"refresh= must return a FittedPrior, got {type(found).__name__}.")
        return known if found.gps is known.gps else found
