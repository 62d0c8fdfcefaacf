"""The methods of :mod:`benchmarks.weights.run`: what a new task starts from.

Each is a function of a :class:`Bench` and returns an :class:`Outcome`. A start that two methods
choose is trained once.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from hashlib import sha256
import time
from typing import NamedTuple

import optuna
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.domain import Domain
from benchmarks.weights.fit import best_of_rates
from benchmarks.weights.fit import merit
from benchmarks.weights.fit import mixed
from benchmarks.weights.fit import Run
from benchmarks.weights.fit import Start
from benchmarks.weights.sources import CLEAN
from benchmarks.weights.sources import seeded_choice
from benchmarks.weights.sources import Sources
from benchmarks.weights.sources import start_from
from optuna_meta import extract_meta_features
from optuna_meta.weights import average
from optuna_meta.weights import by_logme
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import greedy_soup
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import Nearest
from optuna_meta.weights import NewTask
from optuna_meta.weights import rank_checkpoints
from optuna_meta.weights import Ranking
from optuna_meta.weights import ShortlistThenTrain


__all__ = ["Bench", "METHODS", "OF_LARGER", "OF_POISONED", "Outcome"]

_SCRATCH = "scratch"


class Outcome(NamedTuple):
    """A method's part in a replicate."""

    run: Run
    source: str  # What it started from, in words.
    choosing: float  # CPU seconds on the new task before training,
    before: float  # and on earlier tasks.


@dataclass
class Bench:
    """A new task and what it can start from."""

    domain: Domain
    sources: Sources
    seed: int
    kind: str = CLEAN  # Of the sources.
    strategy: ShortlistThenTrain | None = None  # The default's.
    runs: dict[str, Run] = field(default_factory=dict)  # By the weights that they start from.

    @property
    def studies(self) -> Sequence[optuna.Study]:
        """The studies to choose from."""
        return self.sources.studies[self.kind]

    def candidates(self) -> list[Candidate]:
        """Their checkpoints, one of each study."""
        return find_checkpoints(self.studies, self.sources.store)

    def target(self) -> NewTask:
        """The new task as :func:`rank_checkpoints` takes it."""
        domain, kind = self.domain, self.domain.kind

        def start(model: nn.Module, checkpoint: Checkpoint) -> object:
            return self.start(checkpoint)(model)

        def score(outputs: Tensor, targets: Tensor) -> float:
            sign = 1.0 if kind.higher else -1.0
            return sign * kind.score(kind.predictions(outputs, targets), kind.wanted(targets))

        known = domain.known
        build = partial(domain.build, self.seed)
        return NewTask(build, known.inputs, known.targets, kind.loss, score, start)

    def start(self, checkpoint: Checkpoint) -> Start:
        """What puts an earlier study's checkpoint into the new model."""
        prior = self.sources.priors[checkpoint.metadata.study]
        return start_from(self.domain, checkpoint, prior.rows, prior.same_outputs)

    def train(self, start: Start | None, *, init: int = 0, lr: float = 0.0) -> Run:
        """The best run from a start; of an earlier call where the weights were the same."""
        seed = self.seed + 100 * init
        model = self.domain.build(seed)
        if start is not None:
            start(model)
        key = f"{_digest(model)} {lr}"
        if key not in self.runs:
            rates = [lr] if lr else self.domain.rates
            self.runs[key] = best_of_rates(self.domain, start, rates, seed, self.seed)
        return self.runs[key]

    def train_from(self, candidate: Candidate | None) -> Run:
        """The best run from a study's checkpoint, or from scratch."""
        return self.train(None if candidate is None else self.start(candidate.load()))

    def carried(self) -> list[Checkpoint]:
        """Each study's weights in a new model of the new task: of one shape and order of rows."""
        found = []
        for candidate in self.candidates():
            model = self.domain.build(self.seed)
            self.start(candidate.load())(model)
            found.append(Checkpoint.from_model(model))
        return found


def _digest(model: nn.Module) -> str:
    parts = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
    return sha256(b"".join(parts)).hexdigest()


def _scratch(bench: Bench) -> Outcome:
    return Outcome(bench.train_from(None), "", 0.0, 0.0)


def _random(bench: Bench) -> Outcome:
    drawn = bench.candidates()
    drawn.sort(key=lambda candidate: candidate.record.study)
    return _chosen(bench, drawn[seeded_choice(len(drawn), bench.seed)], 0.0)


def _best(bench: Bench) -> Outcome:
    """The highest score, as its own study tells it."""
    sign = 1.0 if bench.domain.kind.higher else -1.0
    best = max(bench.candidates(), key=lambda candidate: sign * (candidate.record.value or 0.0))
    return _chosen(bench, best, 0.0)


def _nearest(bench: Bench) -> Outcome:
    begun = time.process_time()
    features = extract_meta_features(*bench.domain.described, max_seconds=5.0)
    measure = Nearest.by_meta_features(bench.studies, features)
    best = max(bench.candidates(), key=lambda c: measure.weights[c.record.study])
    return _chosen(bench, best, time.process_time() - begun)


def _logme(bench: Bench) -> Outcome:
    begun = time.process_time()
    ranking = rank_checkpoints(bench.candidates(), bench.target(), strategy=by_logme)
    return _chosen(bench, ranking.best, time.process_time() - begun)


def _default(bench: Bench) -> Outcome:
    ranking, seconds = _ranked(bench)
    return _chosen(bench, ranking.best, seconds)


def _ranked(bench: Bench) -> tuple[Ranking, float]:
    begun = time.process_time()
    ranking = rank_checkpoints(
        bench.candidates(), bench.target(), strategy=bench.strategy, seed=bench.seed
    )
    return ranking, time.process_time() - begun


def _chosen(bench: Bench, candidate: Candidate | None, seconds: float) -> Outcome:
    name = _SCRATCH if candidate is None else candidate.record.study
    return Outcome(bench.train_from(candidate), name, seconds, bench.sources.seconds)


def _soup(bench: Bench) -> Outcome:
    return _averaged(bench, "soup", lambda carried: average(carried, allow_independent=True))


def _aligned(bench: Bench) -> Outcome | None:
    """None where hidden units cannot be aligned."""
    model = bench.domain.build(bench.seed)
    try:
        return _averaged(bench, "aligned soup", lambda carried: average(carried, align_by=model))
    except ValueError:
        return None


def _greedy_soup(bench: Bench) -> Outcome:
    """Of weights that validation examples choose, before any training."""
    domain = bench.domain

    def score(checkpoint: Checkpoint) -> float:
        model = domain.build(bench.seed)
        model.load_state_dict(dict(checkpoint.state))
        loss = domain.kind.loss(model(domain.valid.inputs), domain.valid.targets)
        return -loss.item()

    def make(carried: Sequence[Checkpoint]) -> Checkpoint:
        return greedy_soup(carried, score, allow_independent=True).checkpoint

    return _averaged(bench, "greedy soup", make)


def _averaged(
    bench: Bench, name: str, make: Callable[[Sequence[Checkpoint]], Checkpoint]
) -> Outcome:
    begun = time.process_time()
    state = dict(make(bench.carried()).state)
    spent = time.process_time() - begun
    run = bench.train(lambda model: model.load_state_dict(state))
    return Outcome(run, name, spent, bench.sources.seconds)


def _learned(name: str) -> Callable[[Bench], Outcome]:
    def method(bench: Bench) -> Outcome:
        learned = bench.sources.learned[name]
        start = start_from(bench.domain, learned.checkpoint, learned.rows, learned.same_outputs)
        return Outcome(bench.train(start), name, 0.0, learned.seconds)

    return method


def _ensemble(bench: Bench) -> Outcome:
    members = [bench.train_from(candidate) for candidate in bench.candidates()]
    return Outcome(_mixture(members, bench.domain), "all", 0.0, bench.sources.seconds)


def _scratch_ensemble(bench: Bench) -> Outcome:
    """As many from scratch, at the learning rate that the first is best at."""
    first = bench.train_from(None)
    others = [bench.train(None, init=i, lr=first.lr) for i in range(1, len(bench.studies))]
    return Outcome(_mixture([first, *others], bench.domain), "", 0.0, 0.0)


def _all_tried(bench: Bench) -> Outcome:
    """Each source and scratch trained in full, and the best by validation kept."""
    tried = {c.record.study: bench.train_from(c) for c in bench.candidates()}
    tried = {_SCRATCH: bench.train_from(None), **tried}
    best = max(tried, key=lambda name: max(tried[name].merits))
    return Outcome(tried[best], best, 0.0, bench.sources.seconds)


def _mixture(members: Sequence[Run], domain: Domain) -> Run:
    """Predictions of the mixture that is best by validation, at each check."""
    wanted = domain.kind.wanted(domain.valid.targets)
    merits, scores, valids, tests = [], [], [], []
    for check in range(len(domain.checks)):
        valid = [run.valid[check] for run in members]
        weights = greedy_weights(torch.stack(valid), wanted)
        valids.append(mixed(weights, valid))
        tests.append(mixed(weights, [run.test[check] for run in members]))
        merits.append(merit(domain.kind, valids[-1], domain.valid))
        scores.append(domain.kind.score(tests[-1], domain.kind.wanted(domain.test.targets)))
    return Run(float("nan"), tuple(merits), tuple(scores), valids, tests)


METHODS: dict[str, Callable[[Bench], Outcome | None]] = {
    "scratch": _scratch,
    "random prior": _random,
    "best": _best,
    "nearest": _nearest,
    "LogME": _logme,
    "default": _default,
    "all tried": _all_tried,
    "soup": _soup,
    "greedy soup": _greedy_soup,
    "aligned soup": _aligned,
    "joint": _learned("joint"),
    "reptile": _learned("reptile"),
    "maml": _learned("maml"),
    "ensemble": _ensemble,
    "scratch ensemble": _scratch_ensemble,
}
# With more examples, and where sources are poisoned, the methods that matter there.
OF_LARGER = ("scratch", "random prior", "best", "LogME", "default", "joint")
OF_POISONED = (
    "scratch", "random prior", "best", "LogME", "default", "soup", "greedy soup", "ensemble"
)  # fmt: skip
