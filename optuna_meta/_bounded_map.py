"""A map that forgets what was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections import UserDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar


__all__ = ["BoundedMap"]

K = TypeVar("K")
V = TypeVar("V")


class BoundedMap(UserDict[K, V]):
    """A map of which the least recently used entry goes when there are too many.

    Args:
        most: How many entries there may be.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.data: OrderedDict[K, V] = OrderedDict()
        self._most = most

    def __getitem__(self, key: K) -> V:
        value = self.data[key]
        with suppress(KeyError):  # Another thread may have dropped it since.
            self.data.move_to_end(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self.data[key] = value
        self.data.move_to_end(key)
        if len(self.data) > self._most:
            self.data.popitem(last=False)

    def copied(self) -> dict[K, V]:
        """Return the entries; other threads may change the map meanwhile."""
        return dict(self.data)

    def made(self, key: K, make: Callable[[], V]) -> V:
        """Return the entry, made first where there is none; all threads get the same."""
        if key not in self.data:
            self.data.setdefault(key, make())
            self[key] = self.data[key]
        return self[key]
