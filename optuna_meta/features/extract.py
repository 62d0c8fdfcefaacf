"""The meta-features of a data set of whatever kind.

What the data are decides how they are read, and the first part of the features' names:

* a table (all that is nothing else): no prefix, see :mod:`.tabular`;
* images: ``image.``; documents: ``text.``; pairs of sentences: ``pair.``; interactions of users
  and items: ``interaction.``; see the modules of these names.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from typing import TypeAlias
import warnings

from optuna_meta.features.budget import Budget
from optuna_meta.features.kind import find_kind
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.tabular.tabular import tabular_meta_features
from optuna_meta.features.target import Task


__all__ = ["extract_meta_features"]

Extra: TypeAlias = Mapping[str, object] | Callable[[Any, Any], Mapping[str, object]]

# The module of each kind, and its function.
_EXTRACTORS = {
    "image": ("image", "image_meta_features"),
    "text": ("text", "text_meta_features"),
    "pair": ("text", "pair_meta_features"),
    "interaction": ("interactions", "interaction_meta_features"),
}
_UNLABELLED = ("pair", "interaction")


def extract_meta_features(
    data: Any,
    y: Any = None,
    *,
    groups: Iterable[str] | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    task: Task | None = None,
    progress: bool = False,
    extra: Iterable[Extra] | Extra = (),
) -> dict[str, float]:
    """Returns the meta-features of a data set: what is known of it before the first trial.

    The names and their order are always the same for data of one kind; a feature that does not
    apply, or for which no time was left, is NaN. Large data are read in part: what is drawn
    depends on the seed alone.

    Args:
        data: A table: an array, a memory map, a list of rows, a pandas data frame, a SciPy sparse
            matrix. Images: an array or tensor of three or four dimensions, a torch ``Dataset``, a
            list of arrays. Documents: a sequence of strings. Parallel sentences: a sequence of
            (source, target) tuples of strings, without y. ``Interactions`` of users and items.
        y: The target or the labels, one per row, image or document; for a table also several
            outputs per row. None where there is none.
        groups: Names of the groups to compute; None for all. A table has "simple", "statistical",
            "info-theory", "landmarking" and "model-based".
        max_seconds: After this time no further group starts, and those that try learners or read
            several outputs end with what they have; None for no limit.
        seed: Of the generators that draw from the data.
        task: "classification" or "regression", to override what the y of a table looks like.
        progress: Whether work of more than a second shows a progress bar.
        extra: More features: dictionaries of names to numbers, and functions ``f(data, y)`` that
            return one. They replace features of the same name. A function that fails, or for which
            no time was left, is left out with a warning.

    Raises:
        ValueError: If the data, y or the task cannot be what they must be, a group is unknown, or
            a dictionary among ``extra`` is none of meta-features.
    """
    budget = Budget(max_seconds, progress)
    sources = [clean_meta_features(e) if isinstance(e, Mapping) else e for e in _each(extra)]
    kind = find_kind(data, y)
    limits: dict[str, Any] = {"groups": groups, "budget": budget, "seed": seed}
    if kind == "tabular":
        features = tabular_meta_features(data, y, task=task, **limits)
    elif task is not None:
        raise ValueError(f"task must be None for data of the kind {kind!r}, got {task!r}.")
    else:
        features = _extract(kind, data, y, limits)
    for source in sources:
        features |= _call(source, data, y, budget) if callable(source) else source
    return features


def _each(extra: Iterable[Extra] | Extra) -> list[Extra]:
    """Returns the sources in a list, also where there is but one."""
    sources: list[Any] = [extra] if isinstance(extra, Mapping) or callable(extra) else [*extra]
    for source in sources:
        if not isinstance(source, Mapping) and not callable(source):
            raise ValueError(
                "extra must hold dictionaries of meta-features and functions f(data, y) that "
                f"return one, got {source!r:.60} of type {type(source).__name__}."
            )
    return sources


def _extract(kind: str, data: Any, y: Any, limits: Mapping[str, Any]) -> dict[str, float]:
    module, name = _EXTRACTORS[kind]
    # Imported here, for most users have data of one kind.
    extractor = getattr(import_module(f"optuna_meta.features.{module}.{module}"), name)
    if kind not in _UNLABELLED:
        features: dict[str, float] = extractor(data, y, **limits)
        return features
    if y is not None:
        raise ValueError(
            f"y must be None for data of the kind {kind!r}, got {type(y).__name__}. "
            "What belongs to an item stands in it."
        )
    features = extractor(data, **limits)
    return features


def _call(source: Any, data: Any, y: Any, budget: Budget) -> dict[str, float]:
    """Returns the features of a user's function, none where it fails."""
    name = getattr(source, "__qualname__", type(source).__name__)
    if not budget.allows():
        warnings.warn(f"No time was left for the meta-features of {name}.", stacklevel=3)
        return {}
    try:
        return clean_meta_features(source(data, y))
    except Exception as error:  # A user's code may raise anything.
        warnings.warn(
            f"The meta-features of {name} are left out: {type(error).__name__}: {error}",
            stacklevel=3,
        )
        return {}
