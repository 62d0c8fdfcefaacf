"""What a user takes "this prior helped" to mean, measured over replays of several problems.

Two prior studies are like the target, three mislead: a reversed one, noise, another problem.
``python -m tests.sampler.what_helped 6`` prints the figures of six seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import copy
from functools import cache
import math
import sys
from typing import NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from optuna_meta import Explanation
from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.suggest import account
from optuna_meta.suggest import shares
from optuna_meta.suggest.suggester import Suggester
from tests.toys import bowl
from tests.toys import run


__all__ = ["CASES", "causal", "copied", "replays", "stable"]

Objective = Callable[[optuna.Trial], float]
_MATTERS = 0.05  # Standard deviations of the values: smaller losses are nobody's help.
_ABOUT = 0.9  # Of the largest loss: as much as that one.
BEFORE = (0, 3, 6, 9, 13)  # Trials of the target.
MISLEADING = ("reversed", "noise", "elsewhere")


def valley(shift: float) -> Objective:
    """Branin's function, shifted."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -5, 10) + shift
        y = trial.suggest_float("y", 0, 15) - shift / 2
        bent = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
        return bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10

    return objective


def sixfold(seed: int) -> Objective:
    """Six parameters of different importance."""
    rng = np.random.default_rng(seed)
    centre = 0.6 + 0.1 * rng.standard_normal(6)
    importance = np.exp(np.linspace(1.0, -1.0, 6))

    def objective(trial: optuna.Trial) -> float:
        x = np.array([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(6)])
        return float(importance @ np.abs(x - centre) ** 1.5 + 0.2 * np.sin(6 * (x[0] + x[1])))

    return objective


def altered(objective: Objective, kind: str, seed: int) -> Objective:
    """The same parameters, misleading values."""
    rng = np.random.default_rng(seed)
    slopes: dict[str, float] = {}

    def misleading(trial: optuna.Trial) -> float:
        value = objective(trial)
        if kind == "reversed":
            return -value
        if kind == "noise":
            return float(rng.standard_normal())
        for name in trial.params:
            slopes.setdefault(name, float(rng.standard_normal()))
        cells = {
            n: d.choices.index(trial.params[n]) / (len(d.choices) - 1)
            if isinstance(d, optuna.distributions.CategoricalDistribution)
            else (trial.params[n] - d.low) / (d.high - d.low)
            for n, d in trial.distributions.items()
        }
        return sum(slopes[n] * math.sin(4 * cell + 3 * slopes[n]) for n, cell in cells.items())

    return misleading


PROBLEMS = {
    "bowl": (bowl(0.3), bowl(0.25), bowl(0.38)),
    "valley": (valley(0.0), valley(-0.6), valley(0.8)),
    "sixfold": (sixfold(1), sixfold(2), sixfold(3)),
}
CASES = [(name, seed) for name in PROBLEMS for seed in range(2)]


@cache
def studies(problem: str, seed: int) -> tuple[optuna.Study, ...]:
    _, near, far = PROBLEMS[problem]
    objectives = {"near": near, "far": far}
    objectives |= {kind: altered(near, kind, seed) for kind in MISLEADING}
    return tuple(
        run(objective, 30, seed=10 * seed + i, study_name=name)
        for i, (name, objective) in enumerate(objectives.items())
    )


@cache
def fitted(problem: str, seed: int) -> FittedPrior:
    return fit_prior(Prior.from_studies(studies(problem, seed)))


@cache
def trials(problem: str, seed: int) -> tuple[FrozenTrial, ...]:
    """What the target came to with these prior studies."""
    sampler = MetaSampler(prior_studies=fitted(problem, seed), seed=seed)
    return tuple(run(PROBLEMS[problem][0], BEFORE[-1], sampler=sampler).trials)


def told(prior: FittedPrior, before: Iterable[FrozenTrial], seed: int) -> Explanation:
    study = optuna.create_study()
    study.add_trials(list(before))
    return MetaSampler(prior_studies=prior, seed=seed).explain(study)


class Replay(NamedTuple):
    """A suggestion after so many trials."""

    problem: str
    seed: int
    n: int
    explained: Explanation

    @property
    def shares(self) -> dict[str, float]:
        return {p.study: p.share for p in self.explained.priors}


@cache
def replays() -> tuple[Replay, ...]:
    """All suggestions in which prior studies have a say."""

    def found() -> Iterator[Replay]:
        for problem, seed in CASES:
            for n in BEFORE:
                before = trials(problem, seed)[:n]
                explained = told(fitted(problem, seed), before, seed)
                if explained.trust > 0.2 and explained.source != "test of the prior studies":
                    yield Replay(problem, seed, n, explained)

    return tuple(found())


def jittered(before: Iterable[FrozenTrial], seed: int) -> list[FrozenTrial]:
    """The same trials, whose values have moved by a tenth of their standard deviation."""
    kept = [copy.copy(trial) for trial in before]
    rng = np.random.default_rng(seed)
    spread = float(np.std([trial.value for trial in kept]))
    for trial in kept:
        trial.value = float(trial.value or 0.0) + 0.1 * spread * float(rng.standard_normal())
    return kept


def losses(replay: Replay) -> dict[frozenset[str], float]:
    """How much worse the next suggestion is expected to be without each group of alike studies."""
    prior, seed = fitted(replay.problem, replay.seed), replay.seed
    study = optuna.create_study()
    study.add_trials(list(trials(replay.problem, seed)[: replay.n]))
    sampler = MetaSampler(prior_studies=prior, seed=seed)
    before, state = study.get_trials(deepcopy=False), sampler._known.state(study)
    target = sampler._known.target(study, before, len(before), state.common_space(before), {})
    request = target.encode(prior, state)
    draws = sampler._known.draws
    asked = Suggester(prior, seed=draws.pool_seed)
    model = asked.model(request.outcomes[0])
    posterior = model.condition(request.space, request.rows, request.values[:, 0], request.pending)
    Z = asked._pool(request).inputs(model, posterior).Z
    alike = shares.likeness(Z[account._spread(len(Z))])
    firsts = shares.groups(alike, posterior.full.task_weights)
    found = {}
    for first in set(firsts.tolist()):
        group = frozenset(np.array(prior.study_names)[firsts == first].tolist())
        other = Suggester(prior.without(group), seed=draws.pool_seed)
        rows = np.array(
            [s.suggest(request, draws.of_trial(len(before))).row for s in (asked, other)]
        )
        mean = posterior.full.predict(posterior.inputs(rows)).moments()[0]
        found[group] = float(mean[1] - mean[0])
    return found


def stable() -> list[bool]:
    """Whether jitter of the values keeps the first name, of each replay three times."""
    kept = []
    for replay in replays():
        if replay.n:
            before = trials(replay.problem, replay.seed)[: replay.n]
            for draw in range(3):
                prior = fitted(replay.problem, replay.seed)
                again = told(prior, jittered(before, draw), replay.seed)
                kept.append(again.priors[0].study == replay.explained.priors[0].study)
    return kept


class Copied(NamedTuple):
    """Shares by study, parts of the trust, before and after one of them is told twice."""

    before: dict[str, float]
    after: dict[str, float]

    @property
    def is_identified(self) -> bool:
        """Whether the copies have half each, and no other study's share has moved."""
        others = {k: v for k, v in self.before.items() if k != "near"}
        half = 0.5 * self.before["near"]
        moved = [abs(self.after[name] - half) for name in ("near", "near again")]
        moved += [abs(self.after[name] - share) for name, share in others.items()]
        return max(moved) <= 0.1


def copied(problem: str, seed: int) -> list[Copied]:
    """What a copy of the nearest prior study does to the shares of a case's replays."""
    own = studies(problem, seed)
    again = optuna.create_study(study_name="near again")
    again.add_trials(own[0].trials)
    prior = fit_prior(Prior.from_studies([*own, again]))
    found = []
    for replay in replays():
        if (replay.problem, replay.seed) == (problem, seed) and replay.n:
            explained = told(prior, trials(problem, seed)[: replay.n], seed)
            before = {k: v / replay.explained.trust for k, v in replay.shares.items()}
            after = {p.study: p.share / explained.trust for p in explained.priors}
            found.append(Copied(before, after))
    return found


def causal() -> list[bool]:
    """Whether the next suggestion is worst without the first named and its like, where it matters.

    Leaving out also changes what the others say of each other.
    """
    right = []
    for replay in replays():
        lost = losses(replay)
        if len(lost) > 1 and max(lost.values()) > _MATTERS:
            first = replay.explained.priors[0].study
            own = next(loss for group, loss in lost.items() if first in group)
            right.append(own >= _ABOUT * max(lost.values()))
    return right


def _rate(found: Sequence[bool]) -> str:
    return f"{np.mean(found):.2f} of {len(found)}"


if __name__ == "__main__":
    CASES[:] = [(name, seed) for name in PROBLEMS for seed in range(int(sys.argv[1]))]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    later = [replay for replay in replays() if replay.n >= 3]
    print("replays with a trust above 0.2:", len(replays()))
    print("stable, jitter keeps the first name:", _rate(stable()))
    alike = [copy.is_identified for case in CASES for copy in copied(*case)]
    print("identified, a copy takes half and moves no other:", _rate(alike))
    print("signed, no reversed study helps:", _rate([r.shares["reversed"] <= 0.02 for r in later]))
    print("causal, without the first named it is worst:", _rate(causal()))
