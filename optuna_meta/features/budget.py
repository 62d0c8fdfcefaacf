"""The time that an extraction may take, and its progress bar."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import math
import time

from tqdm.auto import tqdm


__all__ = ["Budget"]

# A bar for what is over sooner would only flicker.
_DELAY = 1.0


class Budget:
    """Seconds of wall-clock time that run from now on, shared by all steps of an extraction.

    A step is not interrupted: no further one starts once the time is spent. Long steps ask
    themselves between their parts whether there is time left, and leave out what there is none
    for. What was left out is NaN::

        for group in budget.steps(["simple", "spectral"]):
            features |= compute[group](images)
    """

    def __init__(
        self,
        max_seconds: float | None = None,
        progress: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the clock.

        Args:
            max_seconds: None for as long as it takes; 0 starts no step.
            progress: Whether steps that take over a second show a bar on the standard error.
            clock: Tells the time in seconds.

        Raises:
            ValueError: If max_seconds is negative or no number.
        """
        if max_seconds is not None and not max_seconds >= 0:
            raise ValueError(
                f"max_seconds must be a number of at least 0 or None, got {max_seconds!r}. "
                "Pass None for no limit."
            )
        self._clock = clock
        self._end = math.inf if max_seconds is None else clock() + max_seconds
        self._progress = progress

    def allows(self) -> bool:
        """Returns whether there is time left."""
        return self._clock() < self._end

    def steps(self, names: Iterable[str], what: str = "meta-features") -> Iterator[str]:
        """Yields the names while there is time left.

        Args:
            names: Names of steps, in the order of their importance.
            what: Stands before the bar.
        """
        names = list(names)
        shown = {"desc": what, "delay": _DELAY, "leave": False, "disable": not self._progress}
        with tqdm(total=len(names), **shown) as bar:
            for name in names:
                if not self.allows():
                    return
                bar.set_postfix_str(name, refresh=False)
                yield name
                bar.update()
