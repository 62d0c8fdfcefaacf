"""Who publishes a report while a study runs: it lies above the sampler, and is told to it."""

from __future__ import annotations

from collections.abc import Callable

from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta._optuna import whole_study


__all__ = ["publish", "set_publisher"]

Publisher = Callable[[Study, BaseSampler], None]

_publishers: list[Publisher] = []


def set_publisher(publisher: Publisher) -> None:
    """Say who publishes reports from now on."""
    _publishers[:] = [publisher]


def publish(study: Study, sampler: BaseSampler) -> None:
    """Publish a report of a study."""
    for publisher in _publishers:
        publisher(whole_study(study), sampler)
