"""How near a candidate's task is, by the meta-features recorded on its study."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import read_meta_features
from optuna_meta.features.similarity import nearness
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.new_task import Preview


__all__ = ["Nearest"]


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
