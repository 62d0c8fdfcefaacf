"""Groups of meta-features: which are asked for, and their computation within a time budget."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
import time
from typing import Any
from typing import TypeAlias

from tqdm.auto import tqdm


__all__ = ["Budget", "Extractor", "Steps", "UNLIMITED"]

Steps: TypeAlias = Mapping[str, Callable[[], Mapping[str, float]]]  # of each group

_DELAY = 1.0  # Seconds: the bar of what is over sooner would only flicker.


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
        """Start the clock.

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
        """Return whether there is time left."""
        return self._clock() < self._end

    def steps(self, names: Iterable[str], what: str = "meta-features") -> Iterator[str]:
        """Yield the names while there is time left.

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


UNLIMITED = Budget()


@dataclass(frozen=True)
class Extractor:
    """The meta-features of one kind of data, by groups; called with the data, it computes them.

    Args:
        prefix: Of the names of all features.
        groups: The names of each group's features, without the prefix.
        prepare: Reads data with a seed within a budget, and returns how to compute each group.
    """

    prefix: str
    groups: Mapping[str, Sequence[str]]
    prepare: Callable[..., Steps]

    def __call__(
        self,
        *data: Any,
        groups: Iterable[str] | None = None,
        budget: Budget = UNLIMITED,
        seed: int = 0,
        **options: Any,
    ) -> dict[str, float]:
        """Return the features of the groups asked for, always in the same order.

        A feature that does not apply, or for which no time was left, is NaN.

        Args:
            data: What ``prepare`` takes: the data set, and its response if it has one.
            groups: Which groups to compute; None for all.
            budget: Whose time bounds the groups, in their order.
            seed: Of the generators that draw from the data.
            options: More of what ``prepare`` takes.

        Raises:
            ValueError: If a group is unknown, or the data are not what they must be.
        """
        asked = _choose(self.groups, groups)
        steps = self.prepare(*data, seed=seed, budget=budget, **options)
        names = [name for group in asked for name in self.groups[group]]
        features = dict.fromkeys(names, math.nan)
        for group in budget.steps(asked, f"{self.prefix.rstrip('.')} meta-features"):
            found = steps[group]()  # What it gives beside its own names is left out.
            features |= {name: _finite(found.get(name)) for name in self.groups[group]}
        return {self.prefix + name: value for name, value in features.items()}


def _choose(names: Iterable[str], groups: Iterable[str] | None) -> list[str]:
    """Return the names of the groups asked for, in their own order; all of them for None."""
    asked = [groups] if isinstance(groups, str) else list(names if groups is None else groups)
    if unknown := [group for group in asked if group not in names]:
        raise ValueError(
            f"groups must be among {', '.join(map(repr, names))}, got {unknown[0]!r}. "
            "Pass None for all of them."
        )
    return [name for name in names if name in asked]


def _finite(value: float | None) -> float:
    return math.nan if value is None or not math.isfinite(value) else float(value)
