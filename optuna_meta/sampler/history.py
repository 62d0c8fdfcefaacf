"""The finished trials of the target, each read once: they never change."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._bounded_map import BoundedMap
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import has_failed
from optuna_meta.outcomes.observations import key_of
from optuna_meta.outcomes.trial_table import Reports
from optuna_meta.outcomes.trial_table import TrialTable
from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import plan_of
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.weights_source import named_starts
from optuna_meta.sampler.weights_source import start_numbers
from optuna_meta.sampler.weights_source import start_of
from optuna_meta.space.search_space import Space


__all__ = ["History"]

_MOST_SPACES = 4  # In which trials are encoded: conditions and ranges change it.


class History:
    """Finished trials in the order in which they were read."""

    def __init__(self) -> None:
        self.trials: list[FrozenTrial] = []
        self.common: dict[str, BaseDistribution] = {}  # Of all complete trials.
        self.unasked: set[str] = set()  # What complete trials had a plan for in vain.
        self.constraint_keys: set[str] = set()
        self._records: dict[int, TrialRecord] = {}
        self._keys: set[Hashable] = set()
        self._numbers: list[int] = []
        self._starts: list[str] = []
        self._is_whole: list[bool] = []
        self._has_failed: list[bool] = []
        self._n_complete = 0
        self._ranges = _Ranges()
        self._rows: BoundedMap[str, Array] = BoundedMap(_MOST_SPACES)
        self._table: TrialTable | None = None

    def __len__(self) -> int:
        return len(self.trials)

    def __contains__(self, trial: FrozenTrial) -> bool:
        return key_of(trial) in self._keys

    def append(self, trial: FrozenTrial) -> None:
        """Read one more finished trial."""
        self._keys.add(key_of(trial))
        self._numbers.append(trial.number)
        self._starts.append(start_of(trial))
        self._has_failed.append(has_failed(trial))
        self._ranges.add(trial)
        if record := read_record(trial):
            self._records[trial.number] = record
        if trial.state in FINISHED:
            self.constraint_keys |= trial.constraints.keys()
        # A trial that failed half-way lacks parameters for no reason of the space's.
        says = bool(trial.values or trial.intermediate_values)
        self._is_whole.append(trial.state in FINISHED and says)
        if trial.state == TrialState.COMPLETE:
            self.unasked |= (plan_of(trial) or Plan()).params.keys() - trial.params.keys()
            own, common = trial.distributions, self.common.items()
            shared = {n: d for n, d in common if own.get(n) == d} if self._n_complete else own
            self.common, self._n_complete = dict(shared), self._n_complete + 1
        self.trials.append(trial)

    @property
    def records(self) -> list[TrialRecord]:
        """Where the trials came from, as far as that is recorded, by number."""
        return [self._records[number] for number in sorted(self._records)]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The trials' numbers.  # (n,)"""
        return np.array(self._numbers, dtype=np.int64)

    @property
    def starts(self) -> NDArray[np.int64]:
        """What each trial's model started from, as a number; 0 is scratch.  # (n,)"""
        return start_numbers(self._starts)

    @property
    def start_names(self) -> tuple[str, ...]:
        """What these numbers stand for."""
        return named_starts(self._starts)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which trials asked for all parameters that they would ever ask for.  # (n,)"""
        return np.array(self._is_whole, dtype=bool)

    @property
    def failed(self) -> NDArray[np.int64]:
        """Which trials say of their configuration only that it is no good, by number.  # (f,)"""
        places = np.flatnonzero(self._has_failed)
        return np.asarray(places[np.argsort(self.numbers[places], kind="stable")])

    def rows(self, space: Space) -> Array:
        """Encode the trials, each once.  # (n, D)"""
        key = repr(space)
        known = self._rows.made(key, lambda: np.zeros((0, len(space.dimensions))))
        if len(known) < len(self):
            new = space.rows([trial.params for trial in self.trials[len(known) :]])
            self._rows[key] = known = np.vstack([known, new])
        return known

    def reports(self, directions: Sequence[StudyDirection], keys: Sequence[str]) -> Reports:
        """Return what the trials report.

        Args:
            directions: The study's, one for each objective.
            keys: The constraints to read.
        """
        if self._table is None:
            self._table = TrialTable(directions)
        for trial in self.trials[len(self._table) :]:
            self._table.append(trial)
        return self._table.reports(keys)

    def ranges(
        self, running: Iterable[FrozenTrial] = ()
    ) -> tuple[dict[str, BaseDistribution], set[str]]:
        """Return each parameter's latest distribution, and the parameters that have had several.

        Args:
            running: Trials that count as well.
        """
        ranges = _Ranges(self._ranges)
        for trial in running:
            ranges.add(trial)
        return {name: d for name, (_, d) in ranges.latest.items()}, ranges.changing


class _Ranges:
    """Distributions by parameter: that of the trial of the highest number, and who changes."""

    def __init__(self, other: _Ranges | None = None) -> None:
        known: Mapping[str, tuple[int, BaseDistribution]] = other.latest if other else {}
        self.latest: dict[str, tuple[int, BaseDistribution]] = dict(known)
        self.changing: set[str] = set(other.changing) if other else set()

    def add(self, trial: FrozenTrial) -> None:
        for name, distribution in trial.distributions.items():
            number, known = self.latest.get(name, (-1, distribution))
            if known != distribution:
                self.changing.add(name)
            if trial.number > number:
                self.latest[name] = trial.number, distribution
