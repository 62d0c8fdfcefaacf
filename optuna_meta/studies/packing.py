"""Configurations in arrays: many studies are read before the space that all share is known."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.dimension import NOTHING
from optuna_meta.studies.task import RawStudy


__all__ = ["PackedConfigurations", "packed"]


@dataclass(frozen=True)
class _Column:
    """One parameter's values in n configurations: by what is different, or all of them as floats.

    Args:
        floats: The values, where all are floats; NaN where it is absent.  # (n,)
        different: The different values, where they are not, and ``NOTHING``.
        codes: Index of each one's among these.  # (n,)
    """

    floats: Array | None
    different: tuple[Any, ...] = ()
    codes: NDArray[np.uint32] | None = None

    @classmethod
    def of(cls, values: Sequence[Any]) -> _Column:
        """Pack values, ``NOTHING`` where it is absent."""
        if all(type(v) is float and v == v for v in values if v is not NOTHING):
            return cls(np.array([np.nan if v is NOTHING else v for v in values], dtype=float))
        first: dict[tuple[type, Any], int] = {}
        codes = [first.setdefault(_identity(v), len(first)) for v in values]
        kept = {code: v for code, v in zip(codes, values, strict=True)}
        different = tuple(kept[code] for code in range(len(first)))
        return cls(None, different, np.array(codes, dtype=np.uint32))

    def values(self) -> list[Any]:
        """Return the values, as they were."""
        if self.codes is not None:
            return [self.different[code] for code in self.codes.tolist()]
        assert self.floats is not None
        return [v if v == v else NOTHING for v in self.floats.tolist()]


@dataclass(frozen=True)
class PackedConfigurations(Sequence[Mapping[str, Any]]):
    """The configurations of a study, at a tenth of the memory."""

    n: int
    columns: Mapping[str, _Column]

    @classmethod
    def of(cls, configurations: Sequence[Mapping[str, Any]]) -> PackedConfigurations:
        """Pack configurations."""
        names = dict.fromkeys(name for params in configurations for name in params)
        columns = {
            name: _Column.of([params.get(name, NOTHING) for params in configurations])
            for name in names
        }
        return cls(len(configurations), columns)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        unpacked = {name: column.values() for name, column in self.columns.items()}
        for i in range(self.n):
            yield {n: values[i] for n, values in unpacked.items() if values[i] is not NOTHING}


def packed(study: RawStudy) -> RawStudy:
    """Return a study without what only its reading needs, its configurations packed."""
    observations = replace(
        study.observations,
        params=PackedConfigurations.of(study.observations.params),
        distributions=(),
    )
    return replace(study, observations=observations)


def _identity(value: Any) -> tuple[type, Any]:
    """Return a hashable that differs where values do, also by type."""
    try:
        hash(value)
    except TypeError:
        return type(value), id(value)
    return type(value), value
