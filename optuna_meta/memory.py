"""What was read of a study's finished trials: they never change, so each is read once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.search_space import IntersectionSearchSpace

from optuna_meta.space import Array
from optuna_meta.space import Space


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["Memory"]

_MOST_SPACES = 4


@dataclass
class Memory:
    """Finished trials of one study, encoded."""

    _common: IntersectionSearchSpace = field(default_factory=IntersectionSearchSpace)
    _rows: OrderedDict[str, dict[int, Array]] = field(default_factory=OrderedDict)

    def common_space(self, study: Study) -> dict[str, BaseDistribution]:
        """The parameters that all complete trials of the study have in common, in one range."""
        space = self._common.calculate(study)
        return {name: d for name, d in space.items() if not d.single()}

    def rows(
        self, space: Space, numbers: Sequence[int], params: Sequence[Mapping[str, Any]]
    ) -> Array:
        """Rows (n, D) of n finished trials.

        Args:
            space: The space of the rows.
            numbers: The trials' numbers.
            params: Their configurations.
        """
        key = repr(space)
        known = self._rows.setdefault(key, {})
        self._rows.move_to_end(key)
        if len(self._rows) > _MOST_SPACES:
            self._rows.popitem(last=False)
        new = {n: p for n, p in zip(numbers, params, strict=True) if n not in known}
        known.update(zip(new, space.rows(list(new.values())), strict=True))
        return np.array([known[n] for n in numbers]).reshape(len(numbers), len(space.dimensions))
