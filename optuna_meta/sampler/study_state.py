"""What a sampler keeps of one study between its trials: encoded trials and plans."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optuna_meta._bounded_map import BoundedMap
from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import all_trials
from optuna_meta.outcomes.observations import fingerprint_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.sampler.history import History
from optuna_meta.sampler.plan import Offer
from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.studies.own import own_names
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["StudyState"]

_MOST_PLANS = 1000  # Plans of trials that never end would pile up.


class StudyState:
    """What is kept of one study; finished trials never change, so each is read once."""

    def __init__(self) -> None:
        self.plans: BoundedMap[int, Plan] = BoundedMap(_MOST_PLANS)
        self.offers: BoundedMap[int, Offer] = BoundedMap(_MOST_PLANS)
        # The study's attributes and metric names.
        self.described: tuple[Mapping[str, Any], Sequence[str] | None] | None = None
        # Whether the prior studies were compared with the parameters that it asks for.
        self.is_compared = False
        self._history = History()
        self._own: tuple[str, FittedPrior | None, tuple[str, ...]] = ("", None, ())

    def own_names(
        self, fitted: FittedPrior, study: Study, trials: Sequence[FrozenTrial]
    ) -> tuple[str, ...]:
        """Find the names under which the study itself is among the priors.

        Read once there are trials: one that marks a prior study had ended before that was read.
        """
        # A bracket of HyperbandPruner's may have none yet.
        finished = (t for t in all_trials(study, trials) if t.state in FINISHED)
        first = next(finished, None)
        if first is None:
            return ()
        fingerprint = fingerprint_of([first])  # A study made anew has the old one's name.
        if self._own[0] != fingerprint or self._own[1] is not fitted or not fingerprint:
            self._own = fingerprint, fitted, own_names(fitted.prior.tasks, study, trials)
        return self._own[2]

    def read(self, trials: Sequence[FrozenTrial]) -> History:
        """Return the history of those of the trials, of any state, that have finished."""
        with COMPUTING:
            finished = [t for t in trials if t.state.is_finished()]
            new = [t for t in finished if t not in self._history]
            if len(self._history) + len(new) > len(finished):  # Read of a study made anew.
                self._history, new = History(), finished
            for trial in new:
                self._history.append(trial)
            return self._history

    @property
    def records(self) -> list[TrialRecord]:
        """What is recorded of where the trials read so far came from."""
        return self._history.records

    @property
    def start_names(self) -> tuple[str, ...]:
        """What the models of the trials read so far started from, by its numbers."""
        return self._history.start_names

    def common_space(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """Return the parameters that all complete trials have in common, in one range."""
        with COMPUTING:
            common = self.read(trials).common
        return {name: d for name, d in sorted(common.items()) if not d.single()}

    def names(self, trials: Sequence[FrozenTrial]) -> set[str]:
        """Return the parameters that any of the trials has had."""
        running = [t for t in trials if not t.state.is_finished()]
        with COMPUTING:
            return set(self.read(trials).ranges(running)[0])
