"""The sampler of a study, where a figure or a report needs what it knows."""

from __future__ import annotations

from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta.sampler.sampler import MetaSampler


__all__ = ["sampler_of"]


def sampler_of(study: Study, sampler: BaseSampler | None = None) -> MetaSampler:
    """Return the sampler that is given or, without, the study's own.

    Raises:
        ValueError: That is no ``MetaSampler``.
    """
    found = study.sampler if sampler is None else sampler
    if not isinstance(found, MetaSampler):
        raise ValueError(
            f"Study {study.study_name!r} needs the MetaSampler that has its prior studies, got "
            f"{type(found).__name__}: pass sampler=MetaSampler(prior_studies=...), or load the "
            "study with it."
        )
    return found
