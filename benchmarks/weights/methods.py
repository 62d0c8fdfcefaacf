"""What a new task starts from: functions of a bench that choose, and return what trains then."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.weights import sources
from benchmarks.weights import tasks
from optuna_meta import weights


Training = Callable[[], tuple[str, tasks.Run]]  # What it started from, and the run.


@dataclass
class Bench:
    domain: tasks.Domain
    earlier: sources.Sources
    seed: int
    kind: str = sources.CLEAN  # Of the sources.
    strategy: weights.ShortlistThenTrain | None = None  # The default's.
    runs: dict[Any, tasks.Run] = field(default_factory=dict)  # By the weights they start from.

    def candidates(self) -> list[weights.Candidate]:
        """Return the checkpoints to choose from, one of each study."""
        return weights.find_checkpoints(self.earlier.studies[self.kind], self.earlier.store)

    def build(self, start: tasks.Start | None, init: int = 0) -> nn.Module:
        """Return a model of the new task with the weights of a start."""
        model = self.domain.new.model.build(self.seed + 100 * init)
        if start is not None:
            start(model)
        return model

    def start(self, checkpoint: weights.Checkpoint, name: str = "") -> tasks.Start:
        """Return what puts the weights of a study, by default its own, into the new model."""
        model, own = self.earlier.models[name or checkpoint.metadata.study], self.domain.new.model
        return partial(
            weights.initialize,
            checkpoint=checkpoint,
            head=() if model.same_outputs else self.domain.head,
            exclude=self.domain.own,
            rows={n: weights.EmbeddingRows(model.rows[n], rows) for n, rows in own.rows.items()},
            least=0.0,
            partial="skip",
        )

    def train(self, start: tasks.Start | None, init: int = 0, lr: float = 0.0) -> tasks.Run:
        """Return the best run from a start; of an earlier call where the weights were the same."""
        build = partial(self.build, start, init)
        key = lr, *(tensor.numpy().tobytes() for tensor in build().state_dict().values())
        if key not in self.runs:
            rates = [lr] if lr else self.domain.rates
            self.runs[key] = tasks.fit(self.domain, build, rates, self.seed)
        return self.runs[key]

    def train_from(self, candidate: weights.Candidate | None) -> tasks.Run:
        """Return the best run from a study's checkpoint, or from scratch."""
        return self.train(None if candidate is None else self.start(candidate.load()))

    def carried(self) -> list[weights.Checkpoint]:
        """Return each study's weights in a model of the new task: of one shape and row order."""
        starts = (self.start(candidate.load()) for candidate in self.candidates())
        return [weights.Checkpoint.from_model(self.build(start)) for start in starts]


def _from_study(bench: Bench, candidate: weights.Candidate | None) -> Training:
    name = "scratch" if candidate is None else candidate.record.study
    return lambda: (name, bench.train_from(candidate))


def _random(bench: Bench) -> Training:
    drawn = sorted(bench.candidates(), key=lambda candidate: candidate.record.study)
    return _from_study(bench, drawn[np.random.default_rng([bench.seed, 3]).integers(len(drawn))])


def _best(bench: Bench) -> Training:
    sign = bench.domain.kind.sign  # The highest score, as its own study tells it.
    best = max(bench.candidates(), key=lambda candidate: sign * (candidate.record.value or 0.0))
    return _from_study(bench, best)


def _nearest(bench: Bench) -> Training:
    features, studies = sources.describe(bench.domain.new), bench.earlier.studies[bench.kind]
    measure = weights.Nearest.by_meta_features(studies, features)
    best = max(bench.candidates(), key=lambda candidate: measure.weights[candidate.record.study])
    return _from_study(bench, best)


def _ranked(bench: Bench, strategy: Any) -> Training:
    """Choose by all that is known of the new task."""
    known = tasks.joined([bench.domain.new.train, bench.domain.new.valid])
    task = sources.new_task(
        bench.domain, known, bench.seed, lambda model, checkpoint: bench.start(checkpoint)(model)
    )
    found = weights.rank_checkpoints(bench.candidates(), task, strategy=strategy, seed=bench.seed)
    return _from_study(bench, found.best)


def _best_tried(bench: Bench) -> tuple[str, tasks.Run]:
    """Train each source and scratch in full, and keep the best by validation."""
    tried = [_from_study(bench, candidate)() for candidate in (None, *bench.candidates())]
    return max(tried, key=lambda source_and_run: max(source_and_run[1].merits))


def _exactly(checkpoint: weights.Checkpoint) -> tasks.Start:
    return lambda model: model.load_state_dict(dict(checkpoint.state))


def _from_mean(bench: Bench, name: str, mean: weights.Checkpoint) -> Training:
    return lambda: (name, bench.train(_exactly(mean)))


def _greedy_soup(bench: Bench) -> Training:
    """Average weights that validation examples choose, before any training."""
    kind, valid = bench.domain.kind, bench.domain.new.valid

    def score(checkpoint: weights.Checkpoint) -> float:
        return -kind.loss(bench.build(_exactly(checkpoint))(valid.x), valid.y).item()

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
    start = bench.start(bench.earlier.learned[name][0], name)
    return lambda: (name, bench.train(start))


def _scratch_ensemble(bench: Bench) -> tuple[str, tasks.Run]:
    """Train as many from scratch, at the learning rate that the first is best at."""
    first = bench.train(None)
    others = [bench.train(None, init, first.lr) for init in range(1, len(bench.candidates()))]
    return "", _mixture(bench, [first, *others])


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
    "all tried": lambda bench: partial(_best_tried, bench),
    "soup": lambda b: _from_mean(b, "soup", weights.average(b.carried(), allow_independent=True)),
    "greedy soup": _greedy_soup,
    "aligned soup": _aligned_soup,
    "joint": partial(_learned, name="joint"),
    "reptile": partial(_learned, name="reptile"),
    "maml": partial(_learned, name="maml"),
    "ensemble": lambda b: lambda: ("all", _mixture(b, [*map(b.train_from, b.candidates())])),
    "scratch ensemble": lambda bench: partial(_scratch_ensemble, bench),
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
