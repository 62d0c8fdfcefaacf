"""Which rows of two tables, such as embeddings, belong to the same items.

The fifth user or word of one data set is another one than that of the next: rows go by what they
stand for.
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


__all__ = ["common_rows", "EmbeddingRows"]


class EmbeddingRows(NamedTuple):
    """What each row stands for, such as item ids or tokens."""

    source: Sequence[Hashable]  # Of the checkpoint's tensor, first row to last.
    model: Sequence[Hashable]  # Of the model's.


def common_rows(
    name: str, items: EmbeddingRows, n_source: int, n_model: int
) -> tuple[Tensor, Tensor]:
    """Return the rows of the source and those of the model with the same items, both (common,).

    Args:
        name: Of the tensor, for errors.
        items: What the rows stand for.
        n_source: How many rows the source's tensor has.
        n_model: How many the model's has.

    Raises:
        ValueError: If there are not as many items as rows, or an item stands twice.
    """
    theirs = _places(name, "checkpoint", items.source, n_source)
    ours = _places(name, "model", items.model, n_model)
    common = [(theirs[item], row) for item, row in ours.items() if item in theirs]
    rows = torch.tensor(common, dtype=torch.int64, device="cpu").reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _places(name: str, whose: str, items: Sequence[Hashable], n: int) -> Mapping[Hashable, int]:
    places = {item: row for row, item in enumerate(items)}
    if len(items) != n or len(places) != n:
        raise ValueError(
            f"{name!r} has {n} rows in the {whose}, got {len(items)} items, {len(places)} of them "
            "different. Give each row an item of its own."
        )
    return places
