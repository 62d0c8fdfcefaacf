"""What a sampler keeps of one study between its trials: encoded trials and plans."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import threading
from typing import Any
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial

from optuna_meta._optuna import contains
from optuna_meta._optuna import study_trials
from optuna_meta.outcomes.observations import fingerprint_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.sampler.bounded_map import BoundedMap
from optuna_meta.sampler.history import History
from optuna_meta.space.dimension import choice_key
from optuna_meta.space.dimension import nearest
from optuna_meta.space.dimension import NOTHING
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["Plan", "StudyState", "servable"]

_MOST_PLANS = 1000  # Plans of trials that never end would pile up.


@dataclass(frozen=True)
class Plan:
    """What one trial will be asked for, as far as it was foreseen.

    Args:
        params: The configuration.
        offered: Parameters that Optuna, or a wrapper, was offered to ask for jointly.
        renewed: Parameters for which the rest was planned anew.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    offered: frozenset[str] = frozenset()
    renewed: frozenset[str] = frozenset()

    def holds(self, name: str, distribution: BaseDistribution, params: Mapping[str, Any]) -> bool:
        """Tell whether it has a value in the asked range, and foresaw the parameters so far.

        The nearest one of a grid is as good: to plan anew for each parameter takes its time.
        """
        kept = (
            choice_key(self.params[n]) == choice_key(params[n]) for n in params if n in self.params
        )
        value = self.params.get(name, NOTHING)
        found = NOTHING if value is NOTHING else nearest(distribution, value)
        if found is NOTHING or not all(kept):
            return False
        if isinstance(distribution, FloatDistribution | IntDistribution):
            return bool(distribution.low <= value <= distribution.high)
        return contains(distribution, value)


class StudyState:
    """What is kept of one study; finished trials never change, so each is read once."""

    def __init__(self) -> None:
        self.plans: BoundedMap[int, Plan] = BoundedMap(_MOST_PLANS)
        self.lock = threading.RLock()  # Of what is read: a history is of one list of trials.
        self._history = History()
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
            all_of_it = {fingerprint_of([trial]) for trial in study_trials(study, FINISHED)}
            names = tuple(task.name for task in tasks if task.fingerprint in all_of_it)
            self._own = fingerprint, names
        return self._own[1]

    def read(self, trials: Sequence[FrozenTrial]) -> History:
        """Return the history of those of the trials, of any state, that have finished."""
        with self.lock:
            finished = [t for t in trials if t.state.is_finished()]
            new = [t for t in finished if t not in self._history]
            if len(self._history) + len(new) > len(finished):  # Read of a study made anew.
                self._history, new = History(), finished
            for trial in new:
                self._history.append(trial)
            return self._history

    def common_space(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """Return the parameters that all complete trials have in common, in one range."""
        with self.lock:
            common = self.read(trials).common
        return {name: d for name, d in sorted(common.items()) if not d.single()}

    def names(self, trials: Sequence[FrozenTrial]) -> set[str]:
        """Return the parameters that any of the trials has had."""
        running = [t for t in trials if not t.state.is_finished()]
        with self.lock:
            return set(self.read(trials).ranges(running)[0])


def servable(distribution: BaseDistribution, value: Any) -> Any:
    """Return the distribution's value nearest to ``value``, or ``NOTHING``."""
    if value is NOTHING:
        return NOTHING
    found = nearest(distribution, value)
    return found if found is not NOTHING and contains(distribution, found) else NOTHING
