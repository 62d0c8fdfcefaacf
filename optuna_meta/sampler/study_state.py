"""What a sampler keeps of one study between its trials: encoded trials and plans."""

from __future__ import annotations

from collections import OrderedDict
from collections import UserDict
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import all_trials
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import fingerprint_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import key_of
from optuna_meta.sampler.plan import Offer
from optuna_meta.sampler.plan import Plan
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["BoundedMap", "StudyState"]

K = TypeVar("K")
V = TypeVar("V")

_MOST_PLANS = 1000  # Plans of trials that never end would pile up.
_MOST_SPACES = 4  # In which a study's trials are encoded: conditions and ranges change it.


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


class StudyState:
    """What is kept of one study; finished trials never change, so each is read once."""

    def __init__(self) -> None:
        self.plans: BoundedMap[int, Plan] = BoundedMap(_MOST_PLANS)
        self.offers: BoundedMap[int, Offer] = BoundedMap(_MOST_PLANS)
        # The study's attributes and metric names.
        self.described: tuple[Mapping[str, Any], Sequence[str] | None] | None = None
        self._complete: list[Hashable] = []
        self._common: dict[str, BaseDistribution] = {}
        self._rows: BoundedMap[str, dict[Hashable, Array]] = BoundedMap(_MOST_SPACES)
        self._own: tuple[str, tuple[str, ...]] = ("", ())

    def own_names(
        self, fitted: FittedPrior, study: Study, trials: Sequence[FrozenTrial]
    ) -> tuple[str, ...]:
        """Find the names under which the study itself is among the priors.

        Read once there are trials: one that marks a prior study had ended before that was read.
        """
        first = next((t for t in trials if t.state in FINISHED), None)
        if first is None:
            return ()
        fingerprint = fingerprint_of([first])  # A study made anew has the old one's name.
        if self._own[0] != fingerprint or not fingerprint:
            tasks = [task for task in fitted.prior.tasks if task.fingerprint]
            # HyperbandPruner's wrapper shows some of the trials, perhaps not the first.
            everything = all_trials(study, trials)
            all_of_it = {fingerprint_of([t]) for t in everything if t.state in FINISHED}
            names = tuple(task.name for task in tasks if task.fingerprint in all_of_it)
            self._own = fingerprint, names
        return self._own[1]

    def common_space(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """Return the parameters that all complete trials have in common, in one range."""
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
        """Encode n finished trials, each once.  # (n, D)

        Args:
            space: The space of the rows.
            keys: What tells the trials apart.
            params: Their configurations.
        """
        known = self._rows.made(repr(space), dict)
        new = {key: p for key, p in zip(keys, params, strict=True) if key not in known}
        known.update(zip(new, space.rows(list(new.values())), strict=True))
        return np.array([known[key] for key in keys]).reshape(len(keys), len(space.dimensions))
