"""Which checkpoint a new task starts from, if any: measures of candidates, and their ranking."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial

import numpy as np
import optuna
import torch
from tqdm import tqdm

from optuna_meta._optuna import study_user_attrs
from optuna_meta._typing import Array
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import read_meta_features
from optuna_meta.features.similarity import nearness
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.preview import Preview
from optuna_meta.weights.selection.preview import preview_of
from optuna_meta.weights.selection.short_training import Attempt
from optuna_meta.weights.selection.short_training import compare
from optuna_meta.weights.selection.short_training import ShortTraining
from optuna_meta.weights.selection.short_training import Verdict
from optuna_meta.weights.selection.transferability import leep
from optuna_meta.weights.selection.transferability import logme
from optuna_meta.weights.torch_tools import own_randomness


__all__ = [
    "by_fit",
    "by_leep",
    "by_logme",
    "by_loss",
    "by_score",
    "Measure",
    "Nearest",
    "rank_checkpoints",
    "Ranked",
    "Ranking",
    "ShortlistThenTrain",
]

Measure = Callable[[Preview, NewTask], float]


@dataclass(frozen=True)
class Ranked:
    """One start in a ranking.

    Args:
        candidate: The checkpoint; ``None`` for a model of its own initialisation.
        score: What ranks it, higher is better; NaN where it was not considered.
        note: Why it was not considered, or what was found.
    """

    candidate: Candidate | None
    score: float
    note: str = ""


@dataclass(frozen=True)
class Ranking:
    """Starts, the best first; as text, a table.

    Args:
        starts: Those considered, then the others.
        steps: Of training that choosing took.
    """

    starts: tuple[Ranked, ...]
    steps: int = 0

    @property
    def best(self) -> Candidate | None:
        """What to start from; ``None`` means from scratch."""
        considered = [start for start in self.starts if not np.isnan(start.score)]
        return considered[0].candidate if considered else None

    def __str__(self) -> str:
        names = [str(start.candidate or "scratch") for start in self.starts]
        width = max(map(len, names), default=0)
        lines = [
            f"{name:<{width}}  {start.score:>10.4g}  {start.note}".rstrip()
            for name, start in zip(names, self.starts, strict=True)
        ]
        return "\n".join(lines)


def by_score(preview: Preview, target: NewTask) -> float:
    """Return how good it was within its own study."""
    return preview.candidate.score


def by_fit(preview: Preview, target: NewTask) -> float:
    """Return the share of the model's parameters that the checkpoint has."""
    return preview.share


def by_loss(preview: Preview, target: NewTask) -> float:
    """Return minus its loss before any training; a dead network's can be the lowest."""
    return -preview.loss


def by_logme(preview: Preview, target: NewTask) -> float:
    """Return LogME of its features; NaN where it does not apply, as to sequences of classes."""
    features, labels = target.features_of(preview.model), target.all_labels()
    if labels is None or features.numel() == 0 or len(features) != len(labels):
        return float("nan")
    is_sequence = labels.ndim > 1 and not labels.is_floating_point()
    if is_sequence or not torch.isfinite(features).all():
        return float("nan")
    return logme(features.double().cpu().numpy(), labels.cpu().numpy())


def by_leep(preview: Preview, target: NewTask) -> float:
    """Return LEEP of its predictions as a classifier whose outputs are logits (n, Z).

    It is NaN where labels are not known, and of sequences, which it does not apply to.
    """
    labels = target.all_labels()
    if labels is None or labels.ndim != 1 or preview.outputs.ndim != 2:
        return float("nan")
    probabilities = torch.softmax(preview.outputs.double(), dim=-1)
    return leep(probabilities.cpu().numpy(), labels.cpu().numpy())


@dataclass(frozen=True)
class Nearest:
    """A measure for :func:`rank_checkpoints`: the weight of a candidate's study.

    Args:
        weights: By name of the study, such as what an explanation of the sampler reports; a
            candidate of another study is not considered.
    """

    weights: Mapping[str, float]

    @classmethod
    def by_meta_features(
        cls, prior_studies: Sequence[optuna.Study], meta_features: Mapping[str, float]
    ) -> Nearest:
        """Weigh prior studies by the distance of their meta-features.

        Args:
            prior_studies: With meta-features that ``record_meta_features`` put there; without,
                a study weighs like an average one.
            meta_features: The new task's.

        Raises:
            ValueError: A study's meta-features, or the new task's, are no named numbers.
        """
        known = [read_meta_features(study_user_attrs(study)) or {} for study in prior_studies]
        weights = nearness(known, clean_meta_features(meta_features))
        names = [study.study_name for study in prior_studies]
        return cls(dict(zip(names, map(float, weights), strict=True)))

    def __call__(self, preview: Preview, target: NewTask) -> float:
        return self.weights.get(preview.candidate.record.study, float("nan"))


@dataclass(frozen=True)
class ShortlistThenTrain:
    """Cheap measures name a few candidates, a short training against scratch decides.

    A candidate is chosen only if its score on held-out examples beats scratch's by more than a
    standard error of the folds' paired differences; where no score differs, so its loss. Ties go
    to scratch.

    Args:
        measures: Each in turn names its best candidate, until there are enough.
        shortlist: How many candidates are tried.
        short_training: How they are tried.
        share: Of the training that is planned, what choosing may cost at most, in steps.

    Raises:
        ValueError: The share is not positive.
    """

    measures: Sequence[Measure] = (by_logme, by_loss, by_score)
    shortlist: int = 4
    short_training: ShortTraining = ShortTraining()
    share: float = 0.5

    def __post_init__(self) -> None:
        if not self.share > 0.0 or self.shortlist < 1:
            raise ValueError(
                f"share and shortlist must be positive, got {self.share} and {self.shortlist}."
            )

    @property
    def cost(self) -> int:
        """Steps that the trainings take at most, scratch's among them."""
        return (self.shortlist + 1) * self.short_training.cost

    def within(self, planned_steps: int) -> ShortlistThenTrain | None:
        """Return what costs its share of the planned steps: with fewer trainings, if it must be.

        Divisions go first, then candidates beyond two, learning rates, the second candidate, steps
        and folds: what decides least. ``None`` if even the least costs more.
        """
        for training in (self.short_training, *self.short_training.cheaper()):
            sizes = (self.shortlist, 2) if len(training.rates) > 1 else (2, 1)
            for size in sizes:
                fitting = replace(
                    self, shortlist=min(size, self.shortlist), short_training=training
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
        show_progress_bar: Whether to show how far the trainings are; by default on a terminal.

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
    steps = 0
    if not isinstance(strategy, ShortlistThenTrain):
        starts = [Ranked(candidate, table[i, 0]) for i, candidate in enumerate(usable)]
    elif fitting := strategy if planned_steps is None else strategy.within(planned_steps):
        with _Progress(fitting.cost if usable else 0, show_progress_bar) as progress:
            starts = _tried(usable, table, target, fitting, seed, progress)
        steps = progress.steps
    else:
        note = f"no start was tried: {strategy.share:.0%} of {planned_steps} steps are too few"
        starts = [Ranked(None, 0.0, note), *(Ranked(c, float("nan")) for c in usable)]
    ordered = sorted(starts, key=lambda start: (np.isnan(start.score), -start.score))
    return Ranking((*ordered, *rejected), steps)


class _Progress:
    """A bar of steps that counts them also where it is not shown.

    Args:
        total: How many there are at most.
        shown: Whether to show it; on a terminal if None.
    """

    def __init__(self, total: int, shown: bool | None) -> None:
        hidden = None if shown is None else not shown
        self._bar = tqdm(total=total, desc="Choosing a start", unit="step", disable=hidden)
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
) -> list[Ranked]:
    """Train from the shortlist of a table (n, M); what does not beat scratch comes behind it."""
    orders = np.argsort(-np.nan_to_num(table, nan=-np.inf), axis=0, kind="stable")  # (n, M)
    shortlist = list(dict.fromkeys(orders.ravel().tolist()))[: strategy.shortlist]
    training = strategy.short_training
    attempt = partial(Attempt, target, short_training=training, seed=seed, on_steps=progress.add)
    scratch = attempt(None)
    verdicts = [compare(attempt(usable[i].load()), scratch, training.divisions) for i in shortlist]
    used = max((verdict.divisions for verdict in verdicts), default=1)
    starts = [Ranked(None, -float(scratch.misses(used)[:, 0].mean()))]
    behind, ahead = np.nextafter(starts[0].score, [-np.inf, np.inf]).tolist()
    # Starts of equal scores stay in the order of their losses.
    for i, verdict in sorted(zip(shortlist, verdicts, strict=True), key=lambda p: p[1].loss):
        # A better one may have scratch's score, where the loss has decided; any other comes just
        # behind scratch, however close or even ahead within the error.
        score = max(verdict.score, ahead) if verdict.is_better else min(verdict.score, behind)
        starts.append(Ranked(usable[i], score, _note(verdict)))
    left = [candidate for i, candidate in enumerate(usable) if i not in shortlist]
    return [*starts, *(Ranked(c, float("nan"), "not on the shortlist") for c in left)]


def _note(verdict: Verdict) -> str:
    if np.isinf(verdict.gain):
        whose = "scratch's" if verdict.gain > 0.0 else "its"
        return f"{whose} training ended in a dead or diverged model"
    gain = f"{verdict.gain:+.3g} ± {verdict.error:.2g} against scratch"
    return gain if verdict.is_better else f"{gain}: not better by a standard error"
