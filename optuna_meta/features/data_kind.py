"""What kind of data a data set holds, told from its type and its first items."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from itertools import islice
import sys
from typing import Any
from typing import Literal
from typing import TypeAlias

from optuna_meta.features.columns import is_missing
from optuna_meta.features.interactions.events import Interactions


__all__ = ["DataKind", "find_data_kind"]

DataKind: TypeAlias = Literal["tabular", "image", "text", "pair", "interaction"]

_SEEN = 1_000  # Items that are looked at: the type of a million more would say nothing new.


def find_data_kind(data: Any, y: Any = None) -> DataKind:
    """Return the kind of a data set; all that is nothing else is a table.

    Interactions are of the class ``Interactions``. A torch ``Dataset``, an array of three or four
    dimensions and a list of arrays of two or three hold images. One-dimensional data of strings
    (None where one is missing) are documents. A list of tuples of two strings holds pairs of
    sentences, unless there is a y: then it is a table of two columns, as is a list of lists.

    Args:
        data: A data set as :func:`.extract_meta_features` takes it.
        y: Its response, None where there is none.
    """
    if isinstance(data, Interactions):
        return "interaction"
    if _is_dataset(data) or len(_shape(data)) in (3, 4):
        return "image"
    if hasattr(data, "toarray") or len(_shape(data)) == 2 or not _is_sequence(data):
        return "tabular"
    return _kind_of_items(list(islice(data, _SEEN)), y is not None)


def _shape(data: Any) -> tuple[int, ...]:
    return tuple(getattr(data, "shape", ()))


def _is_dataset(data: Any) -> bool:
    # One who has a Dataset has imported torch.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(data, torch.utils.data.Dataset)


def _is_sequence(data: Any) -> bool:
    if isinstance(data, str | bytes | Mapping):
        return False
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _kind_of_items(items: Sequence[Any], has_response: bool) -> DataKind:
    if any(isinstance(item, str) for item in items):
        texts = all(isinstance(item, str) or is_missing(item) for item in items)
        return "text" if texts else "tabular"
    if items and all(len(_shape(item)) in (2, 3) for item in items):
        return "image"
    if items and not has_response and all(_is_pair(item) for item in items):
        return "pair"
    return "tabular"


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and all(isinstance(s, str) for s in item)
