"""Earlier studies' parameters -> today's: renamed, and filled where they were not known yet."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
import warnings

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution

from optuna_meta.outcomes.observations import Observations
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import plain


__all__ = ["ParameterMapping"]


@dataclass(frozen=True)
class ParameterMapping:
    """How earlier studies' parameters become today's.

    Args:
        rename: New names of parameters by their old ones.
        defaults: By new name, the value that the trials of a study without this parameter ran
            with; where some trials of a study have it, the others lack it for a reason.
    """

    rename: Mapping[str, str]
    defaults: Mapping[str, Any]
    _met: set[str] = field(default_factory=set, repr=False)

    def warn_of_unknown(self) -> None:
        """Warn of old names that no study read so far has."""
        if unknown := sorted(self.rename.keys() - self._met):
            warnings.warn(
                f"No prior study has a parameter named {', '.join(map(repr, unknown))}, which "
                "rename= names: check the spelling.",
                stacklevel=4,
            )

    def apply(self, observations: Observations) -> tuple[Observations, list[Dimension]]:
        """Give observations today's parameters; return them, and every range that these had."""
        names = {name for params in observations.params for name in params}
        self._met.update(names)
        if len({self.rename.get(name, name) for name in names}) < len(names):
            raise ValueError("rename gives two of its parameters one name")
        renamed = [
            {self.rename.get(name, name): value for name, value in params.items()}
            for params in observations.params
        ]
        known = {name for params in renamed for name in params}
        added = {n: plain(v) for n, v in self.defaults.items() if n not in known}
        dimensions = [
            *self._dimensions(observations),
            *(Dimension.spanning(n, [v]) for n, v in added.items()),
        ]
        return replace(observations, params=tuple(p | added for p in renamed)), dimensions

    def _dimensions(self, observations: Observations) -> Iterator[Dimension]:
        """Yield each trial's dimensions, renamed; the same range twice is one."""
        seen: dict[Any, tuple[str, BaseDistribution]] = {}
        for distributions in observations.distributions:
            for name, distribution in distributions.items():
                seen.setdefault((name, _identity(distribution)), (name, distribution))
        for name, distribution in seen.values():
            yield Dimension.from_distribution(self.rename.get(name, name), distribution)


def _identity(distribution: BaseDistribution) -> Any:
    """Return a hashable that differs where the distributions do, also by choices 1 and True."""
    if isinstance(distribution, CategoricalDistribution):
        return repr(distribution.choices)
    return (type(distribution), *vars(distribution).values())
