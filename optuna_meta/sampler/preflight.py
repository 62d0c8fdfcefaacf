"""What the prior studies and a new study have in common, told before it costs a trial."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from itertools import compress

from optuna_meta._html import bounded
from optuna_meta._html import listed
from optuna_meta._spelling import meant
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["Preflight", "preflight"]


@dataclass(frozen=True)
class Preflight:
    """What the prior studies and a new study have in common.

    Args:
        n_studies: How many prior studies there are.
        n_trials: How many trials they have together.
        shared: Parameters that both sides have.
        unshared: Parameters of the new study alone, with the prior one's name that may be meant.
        unused: Parameters of the prior studies alone.
        renamed: Shared parameters that some studies lack, with the name that may be meant there,
            and how many these are.
        matched: Objectives of the new study that prior studies have, and how many it has.
        features: Meta-features that both sides have, and how many the new study has, if the prior
            studies have any.
        left_out: Studies that cannot serve, and why.
    """

    n_studies: int
    n_trials: int
    shared: tuple[str, ...]
    unshared: Mapping[str, str | None]
    unused: tuple[str, ...]
    matched: tuple[int, int]
    features: tuple[int, int]
    left_out: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def is_cold(self) -> bool:
        """Whether no parameter is shared, so that the prior studies can't serve."""
        return bool(self.n_studies and self.unshared) and not self.shared

    def __str__(self) -> str:
        parts = [
            f"{self.n_studies} prior studies of {self.n_trials} trials",
            f"shared parameters: {listed(self.shared, 10) or 'none'}",
        ]
        if self.unshared:
            parts.append(f"not in any prior study: {', '.join(self._unshared(10))}")
        if self.renamed:
            parts.append(f"lacked by some prior studies: {', '.join(self._renamed(5))}")
        if self.unused:
            parts.append(f"in prior studies alone: {listed(self.unused, 10)}")
        parts.append("objectives matched: {} of {}".format(*self.matched))
        if self.features[1]:
            parts.append("meta-features matched: {} of {}".format(*self.features))
        if self.left_out:
            parts.append(f"left out: {', '.join(self._reasons(5))}")
        return "; ".join(parts)

    def objections(self, study: str) -> Iterator[str]:
        """Yield what of the prior studies can't serve a study of this name."""
        if self.is_cold:
            yield f"Study {study!r} has no parameter of the prior studies, starts cold: {self}."
        if self.features[1] and not self.features[0]:
            yield (
                f"No meta-feature of study {study!r} has the name of one of the prior studies, "
                "of which they say nothing therefore."
            )

    def events(self) -> Iterator[str]:
        """Yield what a trial's record tells of it, once the parameters are known."""
        if not self.n_studies or not (self.shared or self.unshared):
            return
        total = len(self.shared) + len(self.unshared)
        yield f"shared: {len(self.shared)} of {total} parameters"
        yield from (f"unshared: {text}" for text in self._unshared(5))

    def _unshared(self, most: int) -> Iterator[str]:
        for name, old in list(self.unshared.items())[:most]:
            yield bounded(name) + (_hint(name, old) if old else "")
        if len(self.unshared) > most:
            yield f"{len(self.unshared) - most} more"

    def _renamed(self, most: int) -> Iterator[str]:
        for name, (old, n_studies) in list(self.renamed.items())[:most]:
            yield f"{bounded(name)} by {n_studies}{_hint(name, old)}"

    def _reasons(self, most: int) -> Iterator[str]:
        for name, reason in list(self.left_out.items())[:most]:
            yield f"{bounded(name)} ({bounded(reason, 100)})"
        if len(self.left_out) > most:
            yield f"{len(self.left_out) - most} more"


def preflight(
    fitted: FittedPrior,
    names: Collection[str],
    outcomes: Sequence[Outcome],
    features: Mapping[str, float] | None,
) -> Preflight:
    """Compare prior studies with a new study.

    Args:
        fitted: The prior studies.
        names: The new study's parameters.
        outcomes: Its objectives.
        features: Its meta-features.
    """
    tasks, known = fitted.prior.tasks, fitted.space.names
    shared = tuple(name for name in names if name in known)
    unused = tuple(name for name in known if name not in names)
    unshared = {name: meant(name, unused) for name in names if name not in known}
    of_priors = {name for task in tasks for name in task.meta_features}
    trials = {task.name: len(task.values) for task in reversed(tasks)}
    return Preflight(
        len(trials),
        sum(trials.values()),
        shared,
        unshared,
        unused,
        (sum(any(task.outcome.matches(o) for task in tasks) for o in outcomes), len(outcomes)),
        (len(of_priors & set(features or ())), len(features or ()) if of_priors else 0),
        fitted.prior.left_out,
        dict(_renamed(fitted, shared, set(unused) - set(unshared.values()))),
    )


def _renamed(
    fitted: FittedPrior, shared: Collection[str], unused: Collection[str]
) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield shared parameters whose name is like another one's of studies that all lack them."""
    if not unused:
        return
    owners: dict[str, set[str]] = {name: set() for name in (*shared, *unused)}
    for task in fitted.prior.tasks:
        for name in compress(fitted.space.names, task.tuned):
            owners[name].add(task.name)
    for name in shared:
        others = [o for o in sorted(unused) if owners[o] and owners[o].isdisjoint(owners[name])]
        if old := meant(name, others):
            yield name, (old, len(owners[old]))


def _hint(name: str, old: str) -> str:
    return bounded(f" (did you mean {old!r}? rename={{{old!r}: {name!r}}})", 200)
