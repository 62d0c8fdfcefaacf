from __future__ import annotations

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights import initialize
from optuna_meta.weights import PositionGrid


def plane(height: int, width: int) -> Tensor:
    """Places whose embedding is where their centre is, behind a token of their own."""
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
    return torch.cat([torch.full((1, 2), 9.0), places])[None]


class Positions(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, n, 2))


@pytest.mark.parametrize("grid", [(8, 8), (4, 4), (2, 2), (4, 9)])
def test_places_keep_their_embedding_at_another_resolution(grid: tuple[int, int]) -> None:
    source, model = plane(4, 4), Positions(1 + grid[0] * grid[1])
    positions = PositionGrid(model=None if grid[0] == grid[1] else grid)
    report = initialize(model, {"table": source}, rows={"table": positions})
    found, expected = model.table.detach()[0], plane(*grid)[0]
    assert torch.equal(found[0], source[0, 0])  # The class token has no place.
    torch.testing.assert_close(found[1:], expected[1:], atol=0.08, rtol=0.0)
    inner = (expected[1:] - 0.5).abs().amax(dim=1) < 0.3  # What no border bends.
    if grid[0] >= 4:
        torch.testing.assert_close(found[1:][inner], expected[1:][inner], atol=0.02, rtol=0.0)
    assert report.share == 1.0


def test_what_is_no_such_grid_is_told_and_nothing_is_loaded() -> None:
    model = Positions(1 + 7)
    with pytest.raises(ValueError, match=r"8 rows in the model.* 1 tokens and a grid of 2 x 2"):
        initialize(model, {"table": plane(4, 4)}, rows={"table": PositionGrid()})
    with pytest.raises(ValueError, match="only the number of its rows may differ"):
        initialize(model, {"table": torch.ones(1, 17, 3)}, rows={"table": PositionGrid()})
    assert not model.table.any()
