"""Odd prior studies and targets: ``python -m tests.fuzz --examples 20000``.

Whatever earlier studies hold, the objective gets a value of its distribution, no prior changes,
nothing warns, and no plan fails. ``tests/test_fuzz.py`` runs a share of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
import logging
import math
import time
from typing import Any
import warnings

from hypothesis import assume
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import seed
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import check_distribution_compatibility
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta._optuna import contains
from optuna_meta.features import META_FEATURES_KEY


LONGEST = 10.0  # Seconds of one example: longer is a hang.
_NAMES = ("x", "y", "<b>'; DROP TABLE studies; --", "\x00\x1b[2J\u202e", "n" * 5000)
_EDGES = [0.0, 1.0, 5e-324, 1e-300, 1e-9, 2.0**53 + 2, 1e16, 1e150, 1e154, 1e300, 1.7e308]
_FLOATS = st.sampled_from([*_EDGES, *(-e for e in _EDGES)]) | st.floats(
    allow_nan=False, allow_infinity=False
)
_INTEGERS = st.sampled_from([0, 1, 7, 2**31, 2**53 - 1, 2**53 + 1, 2**63, 2**64 + 3, 10**30]) | (
    st.integers(-(2**70), 2**70)
)
_CHOICES = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([10**300, 2**53 + 1, "", "a", "\x00", "<i>", 1.5, 1e308])
    | st.floats(),
    min_size=1,
    max_size=6,
)
_VALUES = _FLOATS | st.sampled_from([math.inf, -math.inf, 0.0, 1.0, 1.0, 2.0])


@dataclass(frozen=True)
class Example:
    """Prior studies as trials with directions, and what the target asks for."""

    priors: Sequence[tuple[Sequence[FrozenTrial], Any]]
    asked: Sequence[Mapping[str, BaseDistribution]]
    values: Sequence[float]
    seed: int


@st.composite
def distributions(draw: st.DrawFn) -> BaseDistribution:
    kind = draw(st.sampled_from(["float", "log", "step", "int", "int log", "int step", "choices"]))
    if kind == "choices":
        return CategoricalDistribution(draw(_CHOICES))
    numbers: st.SearchStrategy[Any] = _INTEGERS if kind.startswith("int") else _FLOATS
    low, high = sorted((draw(numbers), draw(numbers)))
    if "log" in kind:
        least = 1 if kind == "int log" else 5e-324
        low, high = max(abs(low), least), max(abs(high), least)
        low, high = min(low, high), max(low, high)
    if kind == "step":
        # An eighth of the range, or as little as a few last digits of its ends.
        fraction = draw(st.sampled_from([0.125, 0.3, 1e-7, 1e-15]))
        step = fraction * (0.5 * high - 0.5 * low) or 0.1
        return FloatDistribution(low, high, step=max(step, 5e-324))
    if kind == "int step":
        return IntDistribution(low, high, step=draw(st.sampled_from([1, 2, 3, 10**6, 2**54])))
    if kind.startswith("int"):
        return IntDistribution(low, high, log="log" in kind)
    return FloatDistribution(low, high, log=kind == "log")


@st.composite
def values_of(draw: st.DrawFn, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return draw(st.sampled_from(choices))
        case IntDistribution(low=low, high=high, step=step):
            return low + step * draw(st.integers(0, (high - low) // step))
        case FloatDistribution(low=low, high=high, step=None):
            share = draw(st.floats(0.0, 1.0))
            return min(max((1.0 - share) * low + share * high, low), high)
        case FloatDistribution(low=low, high=high, step=step):
            assert step is not None
            n_steps = high / step - low / step
            last = int(min(n_steps, 2.0**52)) if n_steps >= 0.0 else 0
            return min(low + step * draw(st.integers(0, last)), high)
    raise AssertionError


@st.composite
def trials(draw: st.DrawFn, space: Mapping[str, BaseDistribution]) -> FrozenTrial:
    asked = {n: d for n, d in space.items() if draw(st.integers(0, 5))}
    params = {name: draw(values_of(d)) for name, d in asked.items()}
    # As Optuna keeps integers as floats, it refuses some of its own.
    asked = {n: d for n, d in asked.items() if contains(d, params[n])}
    state = draw(st.sampled_from([TrialState.COMPLETE] * 5 + [TrialState.PRUNED, TrialState.FAIL]))
    return optuna.trial.create_trial(
        state=state,
        value=draw(_VALUES) if state == TrialState.COMPLETE else None,
        params={name: params[name] for name in asked},
        distributions=asked,
        intermediate_values=draw(st.dictionaries(st.integers(0, 3), _VALUES, max_size=2)),
        system_attrs=draw(
            st.just({})
            | st.fixed_dictionaries({"constraints": st.lists(_VALUES, min_size=1, max_size=2)})
        ),
    )


_SPACES = st.dictionaries(st.sampled_from(_NAMES), distributions(), min_size=1, max_size=3)
_FEATURES = st.none() | st.dictionaries(
    st.sampled_from(_NAMES), st.none() | st.text(max_size=3) | st.floats(), max_size=3
)


def _may_follow(before: BaseDistribution, after: BaseDistribution) -> bool:
    """Tell whether Optuna lets a study ask for the second after the first."""
    try:
        check_distribution_compatibility(before, after)
    except ValueError:
        return False
    return True


def _can_be_drawn(space: Mapping[str, BaseDistribution]) -> bool:
    """Tell whether Optuna's own random sampler serves the space: it draws what nobody knows."""
    try:
        sampler = optuna.samplers.RandomSampler(seed=0)
        with np.errstate(over="ignore"):
            optuna.create_study(sampler=sampler).ask(dict(space))
    except (OverflowError, ValueError):
        return False
    return True


@st.composite
def examples(draw: st.DrawFn) -> Example:
    spaces = draw(st.lists(_SPACES, min_size=1, max_size=3))
    priors = [
        (draw(st.lists(trials(space), min_size=2, max_size=6)), draw(_FEATURES))
        for space in spaces
    ]
    asked = draw(st.sampled_from(spaces) | _SPACES)
    changed = draw(st.just(asked) | _SPACES)
    changed = {n: d for n, d in changed.items() if n not in asked or _may_follow(asked[n], d)}
    assume(_can_be_drawn({**asked, **changed}) and _can_be_drawn(asked))
    n_trials = draw(st.integers(2, 4))
    return Example(
        priors,
        [asked] * (n_trials - 1) + [changed],
        draw(st.lists(_VALUES, min_size=n_trials, max_size=n_trials)),
        draw(st.integers(0, 9)),
    )


def check(example: Example) -> None:
    """Run the target; raise ``AssertionError`` where something is not as promised."""
    start, told = time.process_time(), _Told()
    logger = logging.getLogger("optuna.meta")
    logger.addHandler(told)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Prior study|The meta-features|.*Optuna")
            warnings.filterwarnings("ignore", message=".*(step|divisible|Choices for|persistent)")
            _run(example)
    finally:
        logger.removeHandler(told)
    assert not (failed := [m for m in told.messages if "failed in study" in m]), failed
    assert time.process_time() - start < LONGEST


def _run(example: Example) -> None:
    fitted = fit_prior(_prior(example))
    before = _bytes(fitted)
    study = optuna.create_study(sampler=MetaSampler(prior_studies=fitted, seed=example.seed))
    for space, value in zip(example.asked, example.values, strict=True):
        trial = study.ask()
        for name, distribution in space.items():
            _check_value(trial._suggest(name, distribution), distribution)
        study.tell(trial, value)
    assert _bytes(fitted) == before, "a prior was changed"


def _prior(example: Example) -> Prior:
    studies = []
    for i, (own, features) in enumerate(example.priors):
        study = optuna.create_study(study_name=f"{i}<script>\x00")
        study.add_trials(own)
        if features is not None:
            study.set_user_attr(META_FEATURES_KEY, features)
        studies.append(study)
    return Prior.from_studies(studies)


def _check_value(value: Any, distribution: BaseDistribution) -> None:
    shown = f"{value!r} of {distribution!r}"[:500]
    match distribution:
        case CategoricalDistribution(choices=choices):
            same = [c for c in choices if type(c) is type(value) and (c == value or c != c)]
            assert same, shown
        case IntDistribution(low=low, high=high, step=step):
            assert type(value) is int and low <= value <= high, shown
            # Optuna itself keeps integers as floats.
            assert (value - low) % step == 0 or abs(value) > 2**53, shown
        case FloatDistribution(low=low, high=high):
            assert type(value) is float and low <= value <= high, shown
            assert distribution.step is None or _is_on_grid(value, distribution), shown


def _is_on_grid(value: float, grid: FloatDistribution) -> bool:
    """Tell whether a value is the nearest float of a grid's, or of one beside it."""
    assert grid.step is not None
    n_steps = (Fraction(value) - Fraction(grid.low)) / Fraction(grid.step)
    off = abs(n_steps - round(n_steps)) * Fraction(grid.step)
    return off <= 4 * Fraction(math.ulp(max(abs(grid.low), abs(grid.high)))) or contains(
        grid, value
    )


def _bytes(fitted: FittedPrior) -> list[bytes]:
    arrays = [a for task in fitted.prior.tasks for a in (task.rows, task.values)]
    return [np.ascontiguousarray(a).tobytes() for a in arrays] + [
        repr(fitted.space).encode("utf-8", "backslashreplace")
    ]


class _Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def run(n_examples: int, first_seed: int, *, shrink: bool = True) -> None:
    """Check so many examples; the first that fails is told as small as it can be made."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    options = settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    seed(first_seed)(options(given(examples())(check)))()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", UserWarning)  # Optuna's, of the odd ranges that are made.
    logging.getLogger("optuna.meta").setLevel(logging.INFO)
    logging.getLogger("optuna.meta").propagate = False
    start = time.process_time()
    run(args.examples, args.seed)
    print(f"{args.examples} examples, none failed; {time.process_time() - start:.0f} s of CPU.")


if __name__ == "__main__":
    main()
