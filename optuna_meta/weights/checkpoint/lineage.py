"""Where weights come from: one checkpoint, or several with their shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.state_dict import Source


__all__ = ["maker_of", "mixed_metadata", "Origin", "origins_of", "steps_of"]

_KEY = "origins"


class Origin(NamedTuple):
    """A checkpoint's part in a model's weights."""

    study: str
    trial: int | None
    sha256: str
    weight: float = 1.0


def origins_of(source: Source) -> tuple[Origin, ...]:
    """Return the checkpoints behind the source; none for a plain state dict."""
    if not isinstance(source, Checkpoint):
        return ()
    metadata = source.metadata
    if metadata.study:  # The trial that saved it, which has a record of its own origins.
        return (Origin(metadata.study, metadata.trial, metadata.sha256),)
    return tuple(Origin(**origin) for origin in metadata.extra.get(_KEY, ()))


def maker_of(source: Source) -> str:
    """Return how weights that no single trial saved were made; empty for others."""
    if not isinstance(source, Checkpoint) or source.metadata.study:
        return ""
    return str(source.metadata.extra.get("made_by", ""))


def steps_of(source: Source) -> int | None:
    """Return how many steps of training made weights that no single trial saved, where known."""
    return source.metadata.step if isinstance(source, Checkpoint) and maker_of(source) else None


def mixed_metadata(
    origins: Sequence[Sequence[Origin]], weights: Sequence[float], made_by: str
) -> Metadata:
    """Return the metadata of weights that were made of several sources.

    Args:
        origins: Of each source, as :func:`origins_of` returns them.
        weights: Of each source.
        made_by: What made them, as a word.
    """
    known = [
        origin._replace(weight=weight * origin.weight)._asdict()
        for of_source, weight in zip(origins, weights, strict=True)
        for origin in of_source
        if weight
    ]
    return Metadata(extra={"made_by": made_by, _KEY: known})
