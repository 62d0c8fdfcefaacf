"""Which checkpoint a new task starts from, if any: measures of candidates, and their ranking."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
import torch
from torch import nn
from torch import Tensor

from optuna_meta._optuna import study_user_attrs
from optuna_meta._typing import Array
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import read_meta_features
from optuna_meta.features.similarity import nearness
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.new_task import predict
from optuna_meta.weights.selection.new_task import Preview
from optuna_meta.weights.selection.new_task import preview_of
from optuna_meta.weights.selection.short_training import Attempt
from optuna_meta.weights.selection.short_training import compare
from optuna_meta.weights.selection.short_training import ShortTraining
from optuna_meta.weights.selection.short_training import Verdict
from optuna_meta.weights.selection.transferability import leep
from optuna_meta.weights.selection.transferability import logme
from optuna_meta.weights.store.artifacts import UNREADABLE
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
    """

    starts: tuple[Ranked, ...]

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
    return -target.loss(preview.outputs, target.labels).item()


def by_logme(preview: Preview, target: NewTask) -> float:
    """Return LogME of its features; NaN where it does not apply, as to sequences of classes."""
    features = (target.features or _last_features)(preview.model, target.inputs)
    is_sequence = target.labels.ndim > 1 and not target.labels.is_floating_point()
    if features.numel() == 0 or is_sequence or not torch.isfinite(features).all():
        return float("nan")
    return logme(features.double().cpu().numpy(), target.labels.cpu().numpy())


def by_leep(preview: Preview, target: NewTask) -> float:
    """Return LEEP of its predictions as a classifier whose outputs are logits (n, Z)."""
    probabilities = torch.softmax(preview.outputs.double(), dim=-1)
    return leep(probabilities.cpu().numpy(), target.labels.cpu().numpy())


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
    """

    measures: Sequence[Measure] = (by_logme, by_loss, by_score)
    shortlist: int = 4
    short_training: ShortTraining = ShortTraining()


def rank_checkpoints(
    candidates: Sequence[Candidate],
    target: NewTask,
    *,
    strategy: ShortlistThenTrain | Measure | None = None,
    seed: int = 0,
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
        seed: Of folds, batches and what a checkpoint does not have.

    Raises:
        ValueError: If the new task's score is not finite on some held-out examples.
    """
    strategy = strategy or ShortlistThenTrain()
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
    if isinstance(strategy, ShortlistThenTrain):
        starts = _tried(usable, table, target, strategy, seed)
    else:
        starts = [Ranked(candidate, table[i, 0]) for i, candidate in enumerate(usable)]
    ordered = sorted(starts, key=lambda start: (np.isnan(start.score), -start.score))
    return Ranking((*ordered, *rejected))


def _tried(
    usable: list[Candidate], table: Array, target: NewTask, strategy: ShortlistThenTrain, seed: int
) -> list[Ranked]:
    """Train from the shortlist of a table (n, M); what does not beat scratch comes behind it."""
    orders = np.argsort(-np.nan_to_num(table, nan=-np.inf), axis=0, kind="stable")  # (n, M)
    shortlist = list(dict.fromkeys(orders.ravel().tolist()))[: strategy.shortlist]
    training = strategy.short_training
    scratch = Attempt(target, None, training, seed)
    verdicts: dict[int, Verdict] = {}
    lost: list[Ranked] = []
    for i in shortlist:
        try:
            start = usable[i].load()
        except UNREADABLE as error:  # It was there a moment ago.
            lost.append(Ranked(usable[i], float("nan"), str(error)))
        else:
            attempt = Attempt(target, start, training, seed)
            verdicts[i] = compare(attempt, scratch, training.divisions)
    used = max((verdict.divisions for verdict in verdicts.values()), default=1)
    starts = [Ranked(None, -float(scratch.misses(used)[:, 0].mean()))]
    behind, ahead = np.nextafter(starts[0].score, [-np.inf, np.inf]).tolist()
    # Starts of equal scores stay in the order of their losses.
    for i, verdict in sorted(verdicts.items(), key=lambda pair: pair[1].loss):
        # A better one may have scratch's score, where the loss has decided; any other comes just
        # behind scratch, however close or even ahead within the error.
        score = max(verdict.score, ahead) if verdict.is_better else min(verdict.score, behind)
        starts.append(Ranked(usable[i], score, _note(verdict)))
    left = [candidate for i, candidate in enumerate(usable) if i not in shortlist]
    return [*starts, *lost, *(Ranked(c, float("nan"), "not on the shortlist") for c in left)]


def _note(verdict: Verdict) -> str:
    if np.isinf(verdict.gain):
        whose = "scratch's" if verdict.gain > 0.0 else "its"
        return f"{whose} training ended in a dead or diverged model"
    gain = f"{verdict.gain:+.3g} ± {verdict.error:.2g} against scratch"
    return gain if verdict.is_better else f"{gain}: not better by a standard error"


def _last_features(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return what the model's last linear layer is given; empty where there is none.  # (n, d)"""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        return inputs.new_empty(len(inputs), 0)
    given: list[Tensor] = []
    with linear[-1].register_forward_pre_hook(lambda _, args: given.append(args[0].detach())):
        predict(model, inputs)
    return torch.cat([rows.reshape(len(rows), -1) for rows in given])
