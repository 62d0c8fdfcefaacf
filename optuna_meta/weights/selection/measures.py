"""Measures of a candidate before any training: higher is better."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
import torch

from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import read_meta_features
from optuna_meta.features.similarity import nearness
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.preview import Preview
from optuna_meta.weights.selection.transferability import leep
from optuna_meta.weights.selection.transferability import logme


__all__ = ["by_fit", "by_leep", "by_logme", "by_loss", "by_score", "Measure", "Nearest"]

Measure = Callable[[Preview, NewTask], float]


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
