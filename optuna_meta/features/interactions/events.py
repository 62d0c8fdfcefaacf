"""Who had to do with what, and when: interactions, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
import optuna_meta.features.columns as columns


__all__ = ["Events", "Interactions", "read_interactions"]

_DENSE = 4  # Numbers within so many times the interactions are codes with gaps: their counts fit.
_CHUNK = 500_000  # Names that are Python objects at one time, of some 50 bytes each.


@dataclass(frozen=True)
class Interactions:
    """n interactions of users with items, in any order: ratings, purchases, clicks.

    Args:
        users: Who, by names or numbers of any type; an interaction without is left out.  # (n,)
        items: With what, as users.  # (n,)
        ratings: How strongly, NaN where unknown; None where nothing is.  # (n,)
        times: When, as numbers or dates; None where it is unknown.  # (n,)
    """

    users: Any = field(repr=False)  # (n,)
    items: Any = field(repr=False)  # (n,)
    ratings: Any = field(default=None, repr=False)  # (n,)
    times: Any = field(default=None, repr=False)  # (n,)

    def __post_init__(self) -> None:
        shapes = {n: tuple(np.shape(c)) for n, c in vars(self).items() if c is not None}
        shape = shapes.get("users", ())
        if (
            "items" not in shapes
            or set(shapes.values()) != {shape}
            or len(shape) != 1
            or not shape[0]
        ):
            raise ValueError(
                f"Interactions need columns (n,) of the same length, at least 1, got {shapes}. "
                "Pass one user, item, rating and time for each interaction."
            )


class Events(NamedTuple):
    """Interactions by numbers, those without a user or an item left out."""

    users: NDArray[np.int64]  # (n,), from 0 without gaps
    items: NDArray[np.int64]  # (n,), from 0 without gaps
    ratings: Array | None  # (n,), NaN where unknown
    times: Array | None  # (n,), NaN where unknown


def read_interactions(interactions: Interactions) -> Events:
    """Number the users and items of interactions.

    Raises:
        ValueError: If ratings or times are no numbers.
    """
    users, items = _number(interactions.users), _number(interactions.items)
    known = (users >= 0) & (items >= 0)
    return Events(
        users=_close_gaps(users[known]),
        items=_close_gaps(items[known]),
        ratings=_read_numbers(interactions.ratings, "ratings", known),
        times=_read_numbers(interactions.times, "times", known),
    )


def _number(names: Any) -> NDArray[np.int64]:
    """Return a number for each name, from 0 with gaps, and -1 where it is missing."""
    names = columns.as_numpy(names)
    array = np.asarray(names, dtype=object if isinstance(names, list | tuple) else None)
    if array.dtype.kind in "iu" and len(array):
        low, high = int(array.min()), int(array.max())
        if high - low < _DENSE * len(array) and high <= np.iinfo(np.int64).max:
            # Without sorting.
            return array.astype(np.int64) - low
    if array.dtype.kind in "biuf":
        distinct, codes = np.unique(array, return_inverse=True)
        return np.where(np.isnan(distinct)[codes], -1, codes)
    # A dict, for sorting ten million strings takes a minute.
    number_of: dict[str, int] = {}
    codes = np.empty(len(array), dtype=np.int64)
    for start in range(0, len(array), _CHUNK):
        cells = array[start : start + _CHUNK].tolist()
        codes[start : start + _CHUNK] = [_look_up(number_of, cell) for cell in cells]
    return codes


def _look_up(number_of: dict[str, int], name: Any) -> int:
    if type(name) is str:
        return number_of.setdefault(name, len(number_of))
    return -1 if columns.is_missing(name) else number_of.setdefault(str(name), len(number_of))


def _close_gaps(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    used = np.bincount(codes) > 0
    return codes if used.all() else (np.cumsum(used) - 1)[codes]


def _read_numbers(values: Any, what: str, known: NDArray[np.bool_]) -> Array | None:
    if values is None:
        return None
    values = columns.as_numpy(values)
    if not columns.holds_numbers(values):
        raise ValueError(
            f"{what} must be numbers or dates, got {np.asarray(values).dtype}. Convert them."
        )
    return np.asarray(columns.read_column(values)[known])
