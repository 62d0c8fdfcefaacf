"""What was read of a study's finished trials: they never change, so each is read once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta.space import Array
from optuna_meta.space import Space
from optuna_meta.trials import key_of


__all__ = ["Memory"]

_MOST_SPACES = 4


@dataclass
class Memory:
    """Finished trials of one study, encoded."""

    _complete: list[Hashable] = field(default_factory=list)
    _common: dict[str, BaseDistribution] = field(default_factory=dict)
    _rows: OrderedDict[str, dict[Hashable, Array]] = field(default_factory=OrderedDict)

    def common_space(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """The parameters that all complete trials have in common, in one range."""
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        keys, n_known = [key_of(t) for t in complete], len(self._complete)
        if n_known and keys[:n_known] == self._complete:
            new = intersection_search_space(complete[n_known:])
            if len(keys) > n_known:
                self._common = {n: d for n, d in self._common.items() if new.get(n) == d}
        else:
            self._common = intersection_search_space(complete)
        self._complete = keys
        return {name: d for name, d in self._common.items() if not d.single()}

    def rows(
        self, space: Space, keys: Sequence[Hashable], params: Sequence[Mapping[str, Any]]
    ) -> Array:
        """Rows (n, D) of n finished trials.

        Args:
            space: The space of the rows.
            keys: What tells the trials apart.
            params: Their configurations.
        """
        name = repr(space)
        known = self._rows.setdefault(name, {})
        self._rows.move_to_end(name)
        if len(self._rows) > _MOST_SPACES:
            self._rows.popitem(last=False)
        new = {key: p for key, p in zip(keys, params, strict=True) if key not in known}
        known.update(zip(new, space.rows(list(new.values())), strict=True))
        return np.array([known[key] for key in keys]).reshape(len(keys), len(space.dimensions))
