"""Position embeddings of images at another resolution, interpolated.

Dosovitskiy et al. (2021), "An image is worth 16x16 words" (section 3.2): where there are more or
fewer patches, the embeddings of their places are interpolated in two dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import torch
from torch import Tensor
import torch.nn.functional as F


__all__ = ["PositionGrid"]


@dataclass(frozen=True)
class PositionGrid:
    """What the rows of a table stand for: some tokens, then the places of a grid, row by row.

    Args:
        prefix: How many tokens that have no place come first, such as a class token: copied.
        source: Height and width of the checkpoint's grid, in patches; square if None.
        model: The same of the model's.
    """

    prefix: int = 1
    source: tuple[int, int] | None = None
    model: tuple[int, int] | None = None

    def fitted(self, name: str, values: Tensor, shape: torch.Size) -> Tensor:
        """Return a checkpoint's table (..., rows, d) for a model's shape (..., other rows, d).

        Args:
            name: Of the table, for errors.
            values: The checkpoint's.  # (..., n, d)
            shape: The model's: (..., m, d).

        Raises:
            ValueError: The rows are no such grid, or more than their number differs.
        """
        if values.ndim < 2 or (*values.shape[:-2], values.shape[-1]) != (*shape[:-2], shape[-1]):
            raise ValueError(
                f"{name!r} is {tuple(values.shape)} in the checkpoint and {tuple(shape)} in the "
                "model: only the number of its rows may differ for them to be interpolated."
            )
        theirs = self._grid(name, "checkpoint", values.shape[-2], self.source)
        ours = self._grid(name, "model", shape[-2], self.model)
        if theirs == ours:
            return values
        tokens, places = values[..., : self.prefix, :], values[..., self.prefix :, :]
        image = places.float().reshape(-1, *theirs, values.shape[-1]).movedim(-1, 1)
        resized = F.interpolate(image, ours, mode="bicubic", antialias=True)
        rows = resized.movedim(1, -1).reshape(*shape[:-2], math.prod(ours), shape[-1])
        return torch.cat([tokens, rows.to(values.dtype)], dim=-2)

    def _grid(
        self, name: str, whose: str, n: int, known: tuple[int, int] | None
    ) -> tuple[int, int]:
        side = math.isqrt(max(0, n - self.prefix))
        grid = known or (side, side)
        if math.prod(grid) != n - self.prefix or n <= self.prefix:
            raise ValueError(
                f"{name!r} has {n} rows in the {whose}, which are not {self.prefix} tokens and a "
                f"grid of {grid[0]} x {grid[1]}: pass PositionGrid(prefix=..., source=(h, w), "
                "model=(h, w))."
            )
        return grid
