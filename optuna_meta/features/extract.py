"""The meta-features of a data set of whatever kind.

What the data are decides how they are read, and the first part of the features' names:

* a table (all that is nothing else): no prefix, see :mod:`.tabular`;
* images: ``image.``; documents: ``text.``; pairs of sentences: ``pair.``; interactions of users
  and items: ``interaction.``; see the folders of these names.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import TypeAlias
import warnings

from optuna_meta.features.data_kind import find_data_kind
from optuna_meta.features.groups import Budget
from optuna_meta.features.image.image import image_meta_features
from optuna_meta.features.interactions.interactions import interaction_meta_features
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.response import ProblemType
from optuna_meta.features.tabular.tabular import tabular_meta_features
from optuna_meta.features.text.pairs import pair_meta_features
from optuna_meta.features.text.text import text_meta_features


__all__ = ["extract_meta_features"]

Extra: TypeAlias = Mapping[str, object] | Callable[[Any, Any], Mapping[str, object]]

_EXTRACTORS = {
    "tabular": tabular_meta_features,
    "image": image_meta_features,
    "text": text_meta_features,
    "pair": pair_meta_features,
    "interaction": interaction_meta_features,
}
_WITHOUT_Y = ("pair", "interaction")


def extract_meta_features(
    data: Any,
    y: Any = None,
    *,
    groups: Iterable[str] | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    task: ProblemType | None = None,
    progress: bool = False,
    extra: Iterable[Extra] | Extra = (),
) -> dict[str, float]:
    """Return the meta-features of a data set: what is known of it before the first trial.

    The names and their order are always the same for data of one kind; a feature that does not
    apply, or for which no time was left, is NaN. Large data are read in part: what is drawn
    depends on the seed alone.

    Args:
        data: A table (n, p): an array, a memory map, a list of rows, a pandas data frame, a SciPy
            sparse matrix. Images: an array or tensor (n, H, W) or (n, C, H, W), a torch
            ``Dataset``, a list of arrays. Documents: a sequence of strings. Parallel sentences: a
            sequence of (source, target) tuples of strings, without y. ``Interactions`` of users
            and items.
        y: The response, one per row, image or document (n,); for a table also several outputs per
            row (n, k). None where there is none.
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
    kind = find_data_kind(data, y)
    options: dict[str, Any] = {"groups": groups, "budget": budget, "seed": seed}
    if kind == "tabular":
        options["task"] = task
    elif task is not None:
        raise ValueError(f"task must be None for data of the kind {kind!r}, got {task!r}.")
    if kind in _WITHOUT_Y and y is not None:
        raise ValueError(
            f"y must be None for data of the kind {kind!r}, got {type(y).__name__}. "
            "What belongs to an item stands in it."
        )
    inputs = (data,) if kind in _WITHOUT_Y else (data, y)
    features = _EXTRACTORS[kind](*inputs, **options)
    for source in sources:
        features |= _call(source, data, y, budget) if callable(source) else source
    return features


def _each(extra: Iterable[Extra] | Extra) -> list[Extra]:
    """Return the sources in a list, also where there is but one."""
    sources: list[Any] = [extra] if isinstance(extra, Mapping) or callable(extra) else [*extra]
    for source in sources:
        if not isinstance(source, Mapping) and not callable(source):
            raise ValueError(
                "extra must hold dictionaries of meta-features and functions f(data, y) that "
                f"return one, got {source!r:.60} of type {type(source).__name__}."
            )
    return sources


def _call(source: Any, data: Any, y: Any, budget: Budget) -> dict[str, float]:
    """Return the features of a user's function, none where it fails."""
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
