"""Which checkpoint a new task starts from, if any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from tqdm import tqdm

from optuna_meta._typing import Array
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.selection.measures import by_logme
from optuna_meta.weights.selection.measures import by_loss
from optuna_meta.weights.selection.measures import by_score
from optuna_meta.weights.selection.measures import Measure
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.preview import preview_of
from optuna_meta.weights.selection.ranking import Ranked
from optuna_meta.weights.selection.ranking import Ranking
from optuna_meta.weights.selection.short_training import Attempt
from optuna_meta.weights.selection.short_training import compare
from optuna_meta.weights.selection.short_training import ShortTraining
from optuna_meta.weights.selection.short_training import Verdict
from optuna_meta.weights.store.artifacts import UNREADABLE
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["rank_checkpoints", "ShortlistThenTrain"]

_LEAST_HANDICAP = 2.0  # In which scratch makes up for what any trained weights are ahead by.
_SILENT_SECONDS = 2.0


@dataclass(frozen=True)
class ShortlistThenTrain:
    """Cheap measures name a few candidates, a short training against scratch decides.

    A candidate is chosen only if its score on held-out examples beats scratch's by more than a
    standard error of the folds' paired differences; where no score differs, so its loss. Ties go
    to scratch, which is trained for longer: a lead that these steps make up for, as that of
    most weights that were trained before, is not worth what choosing costs.

    Args:
        measures: Each in turn names its best candidate, until there are enough.
        shortlist: How many candidates are tried.
        short_training: How they are tried.
        handicap: How many times a candidate's steps scratch is trained.
        share: Of the training that is planned, what choosing may cost at most, in steps.

    Raises:
        ValueError: The share, the shortlist or the handicap is too small.
    """

    measures: Sequence[Measure] = (by_logme, by_loss, by_score)
    shortlist: int = 4
    short_training: ShortTraining = ShortTraining()
    handicap: float = 3.0
    share: float = 0.5

    def __post_init__(self) -> None:
        if not self.share > 0.0 or self.shortlist < 1 or not self.handicap >= 1.0:
            raise ValueError(
                "share and shortlist must be positive and handicap at least 1, got "
                f"{self.share}, {self.shortlist} and {self.handicap}."
            )

    @property
    def scratch_training(self) -> ShortTraining:
        """How scratch is tried."""
        steps = round(self.handicap * self.short_training.steps)
        return replace(self.short_training, steps=steps)

    @property
    def cost(self) -> int:
        """Steps that the trainings take at most, scratch's among them."""
        return self.shortlist * self.short_training.cost + self.scratch_training.cost

    def within(self, planned_steps: int) -> ShortlistThenTrain | None:
        """Return what costs its share of the planned steps: with fewer trainings, if it must be.

        Divisions go first, then candidates beyond two, learning rates, the second candidate,
        steps, folds and a handicap beyond two: what decides least. ``None`` if even the least
        costs more.
        """
        handicaps = self.handicap, min(self.handicap, _LEAST_HANDICAP)
        trainings = self.short_training, *self.short_training.cheaper()
        for handicap, training in product(handicaps, trainings):
            sizes = (self.shortlist, 2) if len(training.rates) > 1 else (2, 1)
            for size in sizes:
                fitting = replace(
                    self,
                    shortlist=min(size, self.shortlist),
                    short_training=training,
                    handicap=handicap,
                )
                if fitting.cost <= self.share * planned_steps:
                    return fitting
        return None


def rank_checkpoints(
    candidates: Sequence[Candidate],
    target: NewTask,
    *,
    strategy: ShortlistThenTrain | Measure | None = None,
    planned_steps: int | None = None,
    seed: int = 0,
    show_progress_bar: bool | None = None,
) -> Ranking:
    """Return the checkpoints in the order in which a new task should start from them.

    Those that are missing, damaged, of another architecture, diverged, or give the same output for
    all inputs are never chosen; the ranking says why. Torch's global random state is left as it
    was, so that starting from scratch afterwards is as if nobody had asked.

    Args:
        candidates: What :func:`find_checkpoints` returned.
        target: The new task.
        strategy: What decides: :class:`ShortlistThenTrain`, the default, or a measure alone, which
            does not compare with scratch.
        planned_steps: How many steps of training the study will take, all trials together.
            Choosing costs a share of them at most: half, unless the strategy has another one.
            None sets no bound.
        seed: Of folds, batches and what a checkpoint does not have.
        show_progress_bar: Whether to show how far the trainings are; by default on a terminal,
            if they take more than two seconds.

    Raises:
        ValueError: If the new task's score is not finite on some held-out examples, or the planned
            steps are not positive.
    """
    strategy = strategy or ShortlistThenTrain()
    if planned_steps is not None and planned_steps < 1:
        raise ValueError(f"planned_steps must be positive, got {planned_steps}.")
    measures = strategy.measures if isinstance(strategy, ShortlistThenTrain) else [strategy]
    usable: list[Candidate] = []
    scores: list[list[float]] = []
    rejected: list[Ranked] = []
    for candidate in candidates:
        with own_randomness(seed):
            preview = preview_of(candidate, target)
        if isinstance(preview, str):
            rejected.append(Ranked(candidate, float("nan"), preview))
        else:
            usable.append(candidate)
            scores.append([measure(preview, target) for measure in measures])
    table = np.array(scores).reshape(len(usable), len(measures))  # (n, M)
    steps, trained = 0, None
    if not isinstance(strategy, ShortlistThenTrain):
        starts = [Ranked(candidate, table[i, 0]) for i, candidate in enumerate(usable)]
    elif not usable:
        starts = [Ranked(None, 0.0, "there is no start to try")]
    elif fitting := strategy if planned_steps is None else strategy.within(planned_steps):
        with _Progress(fitting.cost, show_progress_bar) as progress:
            starts, trained = _tried(usable, table, target, fitting, seed, progress)
        steps = progress.steps
    else:
        note = f"no start was tried: {strategy.share:.0%} of {planned_steps} steps are too few"
        starts = [Ranked(None, 0.0, note), *(Ranked(c, float("nan")) for c in usable)]
    ordered = sorted(starts, key=lambda start: (np.isnan(start.score), -start.score))
    return Ranking((*ordered, *rejected), steps, trained)


class _Progress:
    """A bar of steps that counts them also where it is not shown.

    Args:
        total: How many there are at most.
        shown: Whether to show it; on a terminal if None.
    """

    def __init__(self, total: int, shown: bool | None) -> None:
        hidden = None if shown is None else not shown
        shown_after = 0.0 if shown else _SILENT_SECONDS
        self._bar = tqdm(
            total=total, desc="Choosing a start", unit="step", disable=hidden, delay=shown_after
        )
        self.steps = 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def add(self, steps: int) -> None:
        """Count steps that have been taken."""
        self.steps += steps
        self._bar.update(steps)


def _tried(
    usable: list[Candidate],
    table: Array,
    target: NewTask,
    strategy: ShortlistThenTrain,
    seed: int,
    progress: _Progress,
) -> tuple[list[Ranked], Checkpoint | None]:
    """Train from the shortlist of a table (n, M); return the starts, and the best one trained.

    What does not beat scratch comes behind it.
    """
    orders = np.argsort(-np.nan_to_num(table, nan=-np.inf), axis=0, kind="stable")  # (n, M)
    shortlist = list(dict.fromkeys(orders.ravel().tolist()))[: strategy.shortlist]
    training = strategy.short_training
    attempt = partial(Attempt, target, seed=seed, on_steps=progress.add)
    scratch = attempt(None, strategy.scratch_training)
    tried: list[tuple[Candidate, Verdict, Checkpoint | None]] = []
    starts: list[Ranked] = []
    for candidate in map(usable.__getitem__, shortlist):
        try:
            start = attempt(candidate.load(), training)
        except UNREADABLE as error:  # It was there a moment ago.
            starts.append(Ranked(candidate, float("nan"), str(error)))
        else:
            verdict = compare(start, scratch, training.divisions)
            tried.append((candidate, verdict, start.trained if verdict.is_better else None))
    used = max((verdict.divisions for _, verdict, _ in tried), default=1)
    own = -float(scratch.misses(used)[:, 0].mean())
    behind, ahead = np.nextafter(own, [-np.inf, np.inf]).tolist()
    best, trained = own, scratch.trained
    # Starts of equal scores stay in the order of their losses.
    for candidate, verdict, end in sorted(tried, key=lambda each: each[1].loss):
        # A better one may have scratch's score, where the loss has decided; any other comes just
        # behind scratch, however close or even ahead within the error.
        score = max(verdict.score, ahead) if verdict.is_better else min(verdict.score, behind)
        starts.append(Ranked(candidate, score, _note(verdict)))
        if score > best:
            best, trained = score, end
    left = [candidate for i, candidate in enumerate(usable) if i not in shortlist]
    rest = [Ranked(candidate, float("nan"), "not on the shortlist") for candidate in left]
    return [Ranked(None, own), *starts, *rest], trained


def _note(verdict: Verdict) -> str:
    if np.isinf(verdict.gain):
        whose = "scratch's" if verdict.gain > 0.0 else "its"
        return f"{whose} training ended in a dead or diverged model"
    gain = f"{verdict.gain:+.3g} ± {verdict.error:.2g} against scratch"
    return gain if verdict.is_better else f"{gain}: not better by a standard error"
