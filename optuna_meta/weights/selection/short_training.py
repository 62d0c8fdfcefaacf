"""A short training from each start, scratch among them, by k-fold."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch import Tensor

from optuna_meta._typing import Array
from optuna_meta.sampler.weights_source import SHORT_TRAINING
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.lineage import mixed_metadata
from optuna_meta.weights.checkpoint.lineage import origins_of
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.new_task import unhealthy
from optuna_meta.weights.torch_tools import own_randomness
from optuna_meta.weights.torch_tools import seed_all


__all__ = ["Attempt", "compare", "MADE_BY", "ShortTraining", "Verdict"]

MADE_BY = SHORT_TRAINING  # as the metadata of what it ends with say

# Shares of the steps at which a training is judged; close at first, where most is learned.
_CHECKS = (0.0, 1 / 12, 1 / 6, 1 / 3, 1 / 2, 3 / 4, 1.0)
_LEAST_STEPS = 20  # In fewer, nearly anything that was trained before is ahead of scratch.


@dataclass(frozen=True)
class ShortTraining:
    """How a start is tried.

    Args:
        steps: Of training, each on one batch; a tenth of the real training or more. In a few steps
            nearly anything that was trained before is ahead of scratch.
        folds: Parts of the examples, each in turn held out.
        rates: Learning rates to try; each start is judged at its best on the first fold.
        batch_size: Examples of one step.
        divisions: How often the examples are divided into folds, for those starts that are ahead
            of scratch after each; a few examples tell little when they are divided once.
    """

    steps: int = 60
    folds: int = 4
    rates: Sequence[float] = (1e-3, 4e-3, 1.6e-2)
    batch_size: int = 32
    divisions: int = 2

    def __post_init__(self) -> None:
        counts = self.steps, self.batch_size, self.divisions, len(self.rates)
        if self.folds < 2 or min(counts) < 1:
            raise ValueError(
                "At least two folds, a rate, and a step, an example and a division are wanted, "
                f"got {self}."
            )

    @property
    def cost(self) -> int:
        """Steps that a start takes at most, unless a rate kills its model on some fold."""
        return self.steps * (len(self.rates) - 1 + self.folds * self.divisions)

    def cheaper(self) -> Iterator[ShortTraining]:
        """Yield ones that take ever fewer steps, but enough to be ahead by more than chance."""
        one = replace(self, divisions=1)
        yield one
        one = replace(one, rates=[self.rates[len(self.rates) // 2]])
        yield one
        for steps in range(one.steps, _LEAST_STEPS - 1, -_LEAST_STEPS // 2):
            yield replace(one, steps=steps)
        for folds in range(one.folds - 1, 1, -1):
            yield replace(one, steps=min(one.steps, _LEAST_STEPS), folds=folds)


class Verdict(NamedTuple):
    """A start against scratch.

    Args:
        score: Of the start on held-out examples, higher is better.
        loss: Of it there.
        gain: How much more than scratch's; how much less loss where no fold's score differs.
        error: Standard error of the gain.
        divisions: Into folds, that it was compared on.
    """

    score: float
    loss: float
    gain: float
    error: float
    divisions: int

    @property
    def is_better(self) -> bool:
        """Whether by more than a standard error."""
        return self.gain > self.error


class Attempt:
    """Short trainings from one start, each done once.

    Folds, batches and what the checkpoint does not have are the same for every start.

    Args:
        target: The new task.
        start: A checkpoint; ``None`` is scratch.
        short_training: How it is tried.
        seed: Of all random numbers.
        on_steps: Told how many steps have been taken, after each training.
    """

    def __init__(
        self,
        target: NewTask,
        start: Checkpoint | None,
        short_training: ShortTraining,
        seed: int,
        on_steps: Callable[[int], object] = lambda steps: None,
    ) -> None:
        self._on_steps = on_steps
        self._target, self._start, self._seed = target, start, int(seed)
        self._training = short_training
        self._courses: dict[tuple[float, int, int], Array] = {}
        self._ends: dict[float, Checkpoint] = {}  # By rate, on all but the first fold.
        self._rate: float | None = None

    @property
    def n_folds(self) -> int:
        """As many as wanted, or as there are examples."""
        return min(self._training.folds, self._target.n_examples)

    @property
    def trained(self) -> Checkpoint | None:
        """The best of the first training at the chosen rate; ``None`` before one is chosen.

        Its steps are part of what a training that starts from it has behind it.
        """
        return None if self._rate is None else self._ends[self._rate]

    def misses(self, divisions: int) -> Array:
        """Return what is missed on each held-out fold of each division.  # (divisions * folds, 2)

        That is :meth:`NewTask.miss`, after as many steps as are best over all folds, as a training
        that is stopped early is. It is infinite where every rate ends in a dead or diverged model
        on some fold.
        """
        rates = self._training.rates
        first = [tuple(_at_best(self.course(rate, 0, 0)[None]).mean(axis=0)) for rate in rates]
        misses = np.full((divisions * self.n_folds, 2), np.inf)
        # A choice of rate on all folds would cost more than twice as much.
        for k in sorted(range(len(rates)), key=lambda k: first[k]):
            parts = [(d, fold) for d in range(divisions) for fold in range(self.n_folds)]
            misses = _at_best(np.stack([self.course(rates[k], *part) for part in parts]))
            if np.isfinite(misses).all():
                self._rate = rates[k]
                break  # Else the next best: a rate that kills the model on some fold is none.
        return misses

    def course(self, rate: float, division: int, held_out: int) -> Array:
        """Return miss and loss on a held-out fold at each check of a training.  # (checks, 2)"""
        key = rate, division, held_out
        if key not in self._courses:
            self._courses[key] = self._trained(*key)
            self._on_steps(self._training.steps)
        return self._courses[key]

    def _trained(self, rate: float, division: int, held_out: int) -> Array:
        target, training = self._target, self._training
        seed = self._seed + division * training.folds
        order = _shuffled(target.n_examples, torch.Generator("cpu").manual_seed(seed))
        folds = order.tensor_split(self.n_folds)
        rest = torch.cat([fold for i, fold in enumerate(folds) if i != held_out])
        fold = folds[held_out]
        seed += held_out
        with own_randomness(seed):
            model = target.model(self._start)
            seed_all(seed)  # For dropout, whatever the start has drawn.
            is_kept = division == held_out == 0
            course, best = self._train(model, rest, fold, rate, seed, is_kept)
            if unhealthy(target.judged(model, target.every()).outputs):
                return np.full_like(course, np.inf)
        if best is not None:
            about = replace(self._about(), step=best.metadata.step)
            self._ends[rate] = replace(best, metadata=about)
        return np.where(np.isfinite(course), course, np.inf)

    def _about(self) -> Metadata:
        """Return where trained weights come from, and what the start says of its model."""
        if self._start is None:
            return mixed_metadata([], [], MADE_BY)
        about = mixed_metadata([origins_of(self._start)], [1.0], MADE_BY)
        known = self._start.metadata
        return replace(about, extra={**known.extra, **about.extra}, tags=known.tags)

    def _train(
        self, model: nn.Module, rows: Tensor, fold: Tensor, rate: float, seed: int, is_kept: bool
    ) -> tuple[Array, Checkpoint | None]:
        """Train on rows (m,) of examples.

        Returns:
            Miss and loss on a fold (f,) at each check, and if so asked the model of the best: of
            few examples a model at its end may know these alone.
        """
        target, training = self._target, self._training
        generator = torch.Generator("cpu").manual_seed(seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        checks = {round(share * training.steps) for share in _CHECKS}
        course: list[tuple[float, float]] = []
        best = None
        model.train()
        for step in range(training.steps + 1):
            if step in checks:
                course.append(target.judged(model, fold)[:2])
                if is_kept and (best is None or course[-1] <= min(course)):
                    best = Checkpoint.from_model(model, step=step)
            if step < training.steps:
                drawn = _shuffled(len(rows), generator)[: training.batch_size]
                loss = target.training_loss(model, rows[drawn])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
        return np.array(course), best


def compare(attempt: Attempt, scratch: Attempt, divisions: int) -> Verdict:
    """Compare a start with scratch on the same folds, in pairs.

    Where both score the same on every fold, as on few easy examples, their losses are compared. It
    is over as soon as the start is not ahead of scratch after one of the divisions. As folds
    share most of the examples that they are trained on, their differences are no independent
    draws: the standard error is that of Nadeau and Bengio (2003), "Inference for the
    generalization error".
    """
    for used in range(1, divisions + 1):
        misses, others = attempt.misses(used), scratch.misses(used)
        if not np.isfinite(misses).all():
            return Verdict(-np.inf, np.inf, -np.inf, 0.0, used)
        score, loss = -float(misses[:, 0].mean()), float(misses[:, 1].mean())
        if not np.isfinite(others).all():
            return Verdict(score, loss, np.inf, 0.0, used)
        gains = (others - misses)[:, 0]
        if not gains.any():
            gains = (others - misses)[:, 1]
        share = 1.0 / len(gains) + 1.0 / (attempt.n_folds - 1)
        error = float(gains.std(ddof=1) * np.sqrt(share))
        verdict = Verdict(score, loss, float(gains.mean()), error, used)
        if verdict.gain <= 0.0:
            break
    return verdict


def _at_best(courses: Array) -> Array:
    """Return miss and loss (J, 2) of courses (J, checks, 2) at the check that is best over all."""
    means = courses.mean(axis=0)
    return courses[:, np.lexsort((means[:, 1], means[:, 0]))[0]]


def _shuffled(n: int, generator: torch.Generator) -> Tensor:
    """Return n places in any order; drawn on the CPU, so that a seed means the same everywhere."""
    return torch.randperm(n, generator=generator, device="cpu")
