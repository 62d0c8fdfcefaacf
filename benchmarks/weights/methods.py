"""The methods of :mod:`benchmarks.weights`: what a new task starts from.

Each is a function of a :class:`Bench` that chooses, and returns what trains then: it tells what
it started from, and the run. A start that two methods choose is trained once.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.weights import sources
from benchmarks.weights import tasks
from optuna_meta import extract_meta_features
from optuna_meta import weights
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint


__all__ = ["Bench", "BY_SOURCES", "METHODS", "OF_LARGER"]

Training = Callable[[], tuple[str, tasks.Run]]

_SCRATCH = "scratch"


@dataclass
class Bench:
    """A new task and what it can start from."""

    domain: tasks.Domain
    earlier: sources.Sources
    seed: int
    kind: str = sources.CLEAN  # Of the sources.
    strategy: weights.ShortlistThenTrain | None = None  # The default's.
    runs: dict[str, tasks.Run] = field(default_factory=dict)  # By the weights they start from.

    def candidates(self) -> list[Candidate]:
        """Return the checkpoints to choose from, one of each study."""
        return weights.find_checkpoints(self.earlier.studies[self.kind], self.earlier.store)

    def build(self, start: tasks.Start | None, init: int = 0) -> nn.Module:
        """Return a model of the new task with the weights of a start."""
        model = self.domain.new.model.build(self.seed + 100 * init)
        if start is not None:
            start(model)
        return model

    def start(self, checkpoint: Checkpoint) -> tasks.Start:
        """Return what puts an earlier study's checkpoint into the new model."""
        model = self.earlier.models[checkpoint.metadata.study]
        return sources.start_from(self.domain, checkpoint, model)

    def train(self, start: tasks.Start | None, init: int = 0, lr: float = 0.0) -> tasks.Run:
        """Return the best run from a start; of an earlier call where the weights were the same."""
        state = self.build(start, init).state_dict()
        digest = sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values()))
        key = f"{digest.hexdigest()} {lr}"
        if key not in self.runs:
            rates = [lr] if lr else self.domain.rates
            self.runs[key] = tasks.fit(
                self.domain, partial(self.build, start, init), rates, self.seed
            )
        return self.runs[key]

    def train_from(self, candidate: Candidate | None) -> tasks.Run:
        """Return the best run from a study's checkpoint, or from scratch."""
        return self.train(None if candidate is None else self.start(candidate.load()))

    def carried(self) -> list[Checkpoint]:
        """Return each study's weights in a model of the new task: of one shape and row order."""
        starts = (self.start(candidate.load()) for candidate in self.candidates())
        return [Checkpoint.from_model(self.build(start)) for start in starts]


def _from_study(bench: Bench, candidate: Candidate | None) -> Training:
    name = _SCRATCH if candidate is None else candidate.record.study
    return lambda: (name, bench.train_from(candidate))


def _random(bench: Bench) -> Training:
    drawn = sorted(bench.candidates(), key=lambda candidate: candidate.record.study)
    return _from_study(bench, drawn[np.random.default_rng([bench.seed, 3]).integers(len(drawn))])


def _best(bench: Bench) -> Training:
    """Choose the highest score, as its own study tells it."""
    sign = bench.domain.kind.sign
    best = max(bench.candidates(), key=lambda candidate: sign * (candidate.record.value or 0.0))
    return _from_study(bench, best)


def _nearest(bench: Bench) -> Training:
    described = bench.domain.new.described
    features = extract_meta_features(*described, max_seconds=sources.DESCRIBE_SECONDS)
    measure = weights.Nearest.by_meta_features(bench.earlier.studies[bench.kind], features)
    best = max(bench.candidates(), key=lambda c: measure.weights[c.record.study])
    return _from_study(bench, best)


def _ranked(bench: Bench, strategy: Any) -> Training:
    """Choose by all that is known of the new task."""
    known = tasks.joined([bench.domain.new.train, bench.domain.new.valid])
    task = sources.new_task(
        bench.domain, known, bench.seed, lambda model, checkpoint: bench.start(checkpoint)(model)
    )
    ranking = weights.rank_checkpoints(
        bench.candidates(), task, strategy=strategy, seed=bench.seed
    )
    return _from_study(bench, ranking.best)


def _all_tried(bench: Bench) -> Training:
    """Train each source and scratch in full, and keep the best by validation."""

    def train() -> tuple[str, tasks.Run]:
        tried = {_SCRATCH: bench.train(None)}
        tried |= {c.record.study: bench.train_from(c) for c in bench.candidates()}
        return max(tried.items(), key=lambda item: max(item[1].merits))

    return train


def _from_mean(bench: Bench, name: str, mean: Checkpoint) -> Training:
    return lambda: (name, bench.train(lambda model: model.load_state_dict(dict(mean.state))))


def _greedy_soup(bench: Bench) -> Training:
    """Average weights that validation examples choose, before any training."""
    domain, valid = bench.domain, bench.domain.new.valid

    def score(checkpoint: Checkpoint) -> float:
        model = bench.build(lambda model: model.load_state_dict(dict(checkpoint.state)))
        return -domain.kind.loss(model(valid.x), valid.y).item()

    soup = weights.greedy_soup(bench.carried(), score, allow_independent=True)
    return _from_mean(bench, "greedy soup", soup.checkpoint)


def _aligned_soup(bench: Bench) -> Training | None:
    """Average after aligning hidden units; None where they cannot be aligned."""
    try:
        mean = weights.average(bench.carried(), align_by=bench.build(None))
    except ValueError:
        return None
    return _from_mean(bench, "aligned soup", mean)


def _learned(bench: Bench, name: str) -> Training:
    checkpoint, model, _ = bench.earlier.learned[name]
    start = sources.start_from(bench.domain, checkpoint, model)
    return lambda: (name, bench.train(start))


def _scratch_ensemble(bench: Bench) -> Training:
    """Train as many from scratch, at the learning rate that the first is best at."""

    def train() -> tuple[str, tasks.Run]:
        first = bench.train(None)
        others = [bench.train(None, init, first.lr) for init in range(1, len(bench.candidates()))]
        return "", _mixture(bench, [first, *others])

    return train


def _mixture(bench: Bench, members: Sequence[tasks.Run]) -> tasks.Run:
    """Return predictions of the mixture that is best by validation, at each check."""
    wanted = bench.domain.kind.wanted(bench.domain.new.valid.y)
    mixtures = []
    for check in range(len(bench.domain.checks)):
        parts = [run.valid[check] for run in members], [run.test[check] for run in members]
        shares = weights.greedy_weights(torch.stack(parts[0]), wanted)
        weighted = ([w * p for w, p in zip(shares, part, strict=True) if w] for part in parts)
        mixtures.append([torch.stack(part).sum(0) for part in weighted])
    return tasks.judge(bench.domain, float("nan"), *zip(*mixtures, strict=True))


METHODS: dict[str, Callable[[Bench], Training | None]] = {
    "scratch": lambda bench: lambda: ("", bench.train(None)),
    "random prior": _random,
    "best": _best,
    "nearest": _nearest,
    "LogME": lambda bench: _ranked(bench, weights.by_logme),
    "default": lambda bench: _ranked(bench, bench.strategy),
    "all tried": _all_tried,
    "soup": lambda bench: _from_mean(
        bench, "soup", weights.average(bench.carried(), allow_independent=True)
    ),
    "greedy soup": _greedy_soup,
    "aligned soup": _aligned_soup,
    "joint": partial(_learned, name="joint"),
    "reptile": partial(_learned, name="reptile"),
    "maml": partial(_learned, name="maml"),
    "ensemble": lambda bench: (
        lambda: ("all", _mixture(bench, [bench.train_from(c) for c in bench.candidates()]))
    ),
    "scratch ensemble": _scratch_ensemble,
}
_OF_POISONED = (
    "scratch", "random prior", "best", "LogME", "default", "soup", "greedy soup", "ensemble"
)  # fmt: skip
# By kind of sources; where they are poisoned, or with more examples, the methods that matter.
BY_SOURCES = {
    sources.CLEAN: tuple(METHODS),
    sources.POISONED: _OF_POISONED,
    sources.ALL_POISONED: _OF_POISONED,
}
OF_LARGER = {sources.CLEAN: ("scratch", "random prior", "best", "LogME", "default", "joint")}
