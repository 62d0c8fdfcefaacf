"""Whether prior studies agree with a study's own trials: what a rank correlation shows of it.

Trust tells how far the next trial rests on prior studies. It falls where they mislead, and also
where the own trials know more: how the own trials came out tells one from the other. What suits a
training from scratch may be wrong for one that starts from trained weights, and the reverse: only
trials from scratch show a study's order to be reversed.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from itertools import takewhile
import math
from typing import NamedTuple

from scipy.special import ndtri

from optuna_meta._html import bounded
from optuna_meta.suggest.comparison import ENOUGH
from optuna_meta.suggest.request import Suggestion


__all__ = [
    "Agreement",
    "agrees",
    "contradicts",
    "interval",
    "is_reverse",
    "measured",
    "NOT_COMPARED",
    "opinion",
    "Opinion",
    "OF_WEIGHTS",
    "SAME",
    "UNCLEAR",
    "UNLIKE",
]

# Rank correlation of what each prior study expects with what own trials came to, on how many.
Agreement = Mapping[str, tuple[float, int]]

# Probability that any of the prior studies is said to agree by chance: that is looked for at every
# trial and stays, so that of noise it is said in some 6 % of studies of thirty trials.
_AGREES = 0.02
_UNLIKE = 0.1  # That none is said to, though one agrees more than weakly.
_REVERSED = 0.01  # That one is called reversed.
_SECOND = 0.1  # That one is which the model, too, has used in reverse.
_WEAK = 0.5  # A rank correlation below which a study is not much like another.
_PERFECT = 0.999  # One that is taken for less than 1.
_MOST_NAMED = 3
_COUNTS = 0.05  # Of the largest weight: a study of less is noise, by what the others say of it.

# Why a study may have gone on without its prior studies.
SAME, UNLIKE, UNCLEAR = "no longer needed", "not like this study", "why is not clear"
NOT_COMPARED = "nothing to compare"
OF_WEIGHTS = (
    "Own trials started from trained weights, each start's are compared with one another: what is "
    "best from scratch may be worst from there, so no prior study can be called reversed."
)


def measured(suggestion: Suggestion, studies: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Return the rank correlations of those of T prior studies that have one, best first.

    What looks like noise vouches for nothing: by chance it may agree best.
    """
    least = _COUNTS * float(suggestion.weights.max(initial=0.0))
    found, n_trials, _ = suggestion.compared
    counting = [t for t in suggestion.order if suggestion.weights[t] >= least]
    known = sorted((t for t in counting if not math.isnan(found[t])), key=lambda t: -found[t])
    return {studies[t]: (float(found[t]), n_trials) for t in known}


def interval(correlation: float, n_trials: int, wrong: float = 0.05) -> tuple[float, float]:
    """Return the interval that holds a rank correlation with probability 1 - ``wrong``.

    By Fisher's transformation, with the variance of Bonett and Wright (2000), as if the trials
    were independent; before eight of them it may be anything.
    """
    if n_trials < ENOUGH or math.isnan(correlation):
        return -1.0, 1.0
    r = max(-_PERFECT, min(_PERFECT, correlation))
    reach = float(ndtri(1.0 - wrong / 2)) * math.sqrt((1.0 + r**2 / 2) / (n_trials - 3))
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def is_reverse(agreement: Agreement, name: str, is_used_so: bool, n_compared: int = 0) -> bool:
    """Tell whether a prior study's order is the reverse of how the own trials came out.

    Where these did not start from scratch, that may be the weights' doing.

    Args:
        agreement: Of prior studies.
        name: The study.
        is_used_so: Whether the model, too, has used it in reverse.
        n_compared: Of how many ``agreement`` are the best and the most contrary, where not of all:
            the more there are, the more it takes.
    """
    wrong = _SECOND if is_used_so else _REVERSED / max(1, len(agreement), n_compared)
    return name in agreement and interval(*agreement[name], wrong)[1] < 0.0


def agrees(agreement: Agreement, name: str, n_compared: int = 0) -> bool:
    """Tell whether a prior study's order is clearly that of how the own trials came out.

    Args:
        agreement: Of prior studies.
        name: The study.
        n_compared: Of how many ``agreement`` are the best and the most contrary, where not of all.
    """
    wrong = _AGREES / max(1, len(agreement), n_compared)
    return name in agreement and interval(*agreement[name], wrong)[0] > 0.0


def contradicts(correlation: float, n_trials: int) -> bool:
    """Tell whether own trials speak against a prior study, be it by chance in one of twenty."""
    return interval(correlation, n_trials, _SECOND)[1] < 0.0


class Opinion(NamedTuple):
    """Why a study would go on without its prior studies, and by what evidence.

    Args:
        kind: ``SAME`` where one of them agrees with the own trials, which know more then;
            ``UNLIKE`` where none agrees more than weakly; ``NOT_COMPARED`` where there is none, or
            none that expects anything of them; else ``UNCLEAR``.
        said: The same in words.
        numbers: What it rests on.
        names: The prior studies that agree; else the one that does most.
        now: What has become of the first of these, where later trials did not show it anew.
    """

    kind: str
    said: str
    numbers: str = ""
    names: tuple[str, ...] = ()
    now: str = ""

    def __str__(self) -> str:
        return f"{self.said} ({self.numbers}{self.now})" if self.numbers else self.said


def opinion(agreement: Agreement, n_compared: int = 0) -> Opinion:
    """Say why a study would go on without its prior studies, by one comparison alone.

    Args:
        agreement: Of prior studies.
        n_compared: Of how many these are the best and the most contrary, where not of all.
    """
    known = {n: (r, m) for n, (r, m) in agreement.items() if not math.isnan(r)}
    if not known:
        return Opinion(NOT_COMPARED, "no prior study could be compared with the own trials")
    if max(m for _, m in known.values()) < ENOUGH:
        few = "too few own trials to tell whether prior studies agree with them"
        return Opinion(UNCLEAR, few)
    names = sorted(known, key=lambda name: -known[name][0])
    n_compared = max(len(known), n_compared)
    found = tuple(takewhile(lambda name: agrees(known, name, n_compared), names))
    named = found or tuple(names[:1])
    told = ", ".join(f"{bounded(name)} {known[name][0]:.2f}" for name in named[:_MOST_NAMED])
    numbers = f"rank correlation on {known[names[0]][1]} trials: {told}"
    if found:
        return Opinion(SAME, "prior studies agree with the own trials", numbers, named)
    numbers = f"best {numbers}"
    if interval(*known[names[0]], _UNLIKE)[1] < _WEAK:
        return Opinion(UNLIKE, "no prior study agrees with the own trials", numbers, named)
    return Opinion(UNCLEAR, "no prior study clearly agrees with the own trials", numbers, named)
