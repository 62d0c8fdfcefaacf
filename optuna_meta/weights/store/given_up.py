"""Which checkpoints of its finished trials a study has given up, in one small attribute.

Finished trials cannot be changed, so the study tells which of their checkpoints are left. A
decision about a trial only ever leaves fewer of them: those of several workers come to the same
whatever their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from itertools import groupby
from typing import Any

from optuna import Study

from optuna_meta._optuna import set_study_system_attr
from optuna_meta._optuna import study_system_attrs


__all__ = ["give_up", "GivenUp", "given_up_by", "parse_given_up"]

_KEY = "optuna_meta:given_up"
_LETTERS = 12  # of an artifact's id: within one trial they tell it from the others


@dataclass(frozen=True)
class GivenUp:
    """What a study has given up.

    Args:
        left: By number of a trial, which of its artifacts are left; of an absent trial, all.
        cleared: Trials that have no file in the store that nobody needs.
    """

    left: Mapping[int, frozenset[str]] = field(default_factory=dict)
    cleared: frozenset[int] = frozenset()

    @classmethod
    def leaving(cls, artifact_ids: Mapping[int, Iterable[str]]) -> GivenUp:
        """Return that of each trial only these artifacts are left."""
        return cls({t: frozenset(i[:_LETTERS] for i in ids) for t, ids in artifact_ids.items()})

    def has(self, trial: int, artifact_id: str) -> bool:
        """Tell whether a trial's artifact is given up."""
        return trial in self.left and artifact_id[:_LETTERS] not in self.left[trial]

    def joined(self, other: GivenUp) -> GivenUp:
        """Return what either has given up."""
        left = {**self.left, **other.left}
        left |= {t: self.left[t] & other.left[t] for t in self.left.keys() & other.left.keys()}
        return GivenUp(left, self.cleared | other.cleared)


def given_up_by(study: Study) -> GivenUp:
    """Return what a study has given up."""
    return parse_given_up(study_system_attrs(study))


def give_up(study: Study, decision: GivenUp, uncleared: Iterable[int] = ()) -> None:
    """Add a decision to what a study has given up.

    Args:
        study: The study.
        decision: What is given up, and which trials have been cleared.
        uncleared: Trials that have not, for this gives up files of theirs.
    """
    for _ in range(8):  # Another worker may write at the same time.
        known = given_up_by(study)
        joined = known.joined(decision)
        joined = GivenUp(joined.left, joined.cleared - frozenset(uncleared))
        if joined == known:
            break
        set_study_system_attr(study, _KEY, _as_json(joined))


def parse_given_up(system_attrs: Mapping[str, Any]) -> GivenUp:
    """Read what a study has given up among its system attributes."""
    written = system_attrs.get(_KEY)
    if not written:
        return GivenUp()
    left = {int(t): frozenset(ids) for t, ids in written["left"].items()}
    nothing: frozenset[str] = frozenset()
    return GivenUp(
        {**dict.fromkeys(_numbers(written["nothing_left"]), nothing), **left},
        frozenset(_numbers(written["cleared"])),
    )


def _as_json(given_up: GivenUp) -> dict[str, Any]:
    left = {str(t): sorted(ids) for t, ids in sorted(given_up.left.items()) if ids}
    nothing = [t for t, ids in given_up.left.items() if not ids]
    return {"left": left, "nothing_left": _ranges(nothing), "cleared": _ranges(given_up.cleared)}


def _ranges(numbers: Iterable[int]) -> str:
    """Return numbers as text, such as "0-5,7"."""
    parts = []
    for _, group in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}")
    return ",".join(parts)


def _numbers(ranges: str) -> list[int]:
    numbers: list[int] = []
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
