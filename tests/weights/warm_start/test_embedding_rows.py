from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_meta.weights.warm_start.embedding_rows import EmbeddingRows
from optuna_meta.weights.warm_start.initialize import initialize
from tests.weights.warm_start.toys import copied


def test_embeddings_go_by_item_and_not_by_row() -> None:
    model = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 1))
    before = copied(model)
    state = {"0.weight": torch.arange(15.0).reshape(5, 3)} | {
        name: before[name] for name in ("1.weight", "1.bias")
    }
    items = EmbeddingRows(["a", "b", "c", "d", "e"], ["x", "e", "b", "y"])
    report = initialize(model, state, rows={"0.weight": items})
    found = model.state_dict()["0.weight"]
    assert torch.equal(found[1], state["0.weight"][4])
    assert torch.equal(found[2], state["0.weight"][1])
    assert torch.equal(found[[0, 3]], before["0.weight"][[0, 3]])
    assert report.n_loaded == 2 * 3 + 4 and report.overlapped[0].name == "0.weight"
    with pytest.raises(ValueError, match=r"5 rows in the checkpoint, got 1 items, 1 of them"):
        initialize(model, state, rows={"0.weight": EmbeddingRows(["a"], ["a"])})
    with pytest.raises(ValueError, match="4 rows in the model, got 4 items, 3 of them different"):
        initialize(model, state, rows={"0.weight": EmbeddingRows("abcde", "xxby")})
    with pytest.raises(ValueError, match=r"rows names \['users'\]"):
        initialize(model, state, rows={"users": items})


def test_rows_of_another_width_overlap_if_asked() -> None:
    for width in (2, 5):
        model = nn.Sequential(nn.Embedding(3, width))
        before, state = copied(model), {"0.weight": torch.arange(6.0).reshape(2, 3)}
        rows = {"0.weight": EmbeddingRows(["a", "b"], ["x", "b", "y"])}
        report = initialize(model, state, rows=rows, partial="skip", least=0.0)
        assert report.n_loaded == 0 and report.mismatched[0].name == "0.weight"
        report = initialize(model, state, rows=rows, partial="overlap", least=0.0)
        common = min(3, width)
        found, expected = model.state_dict()["0.weight"], before["0.weight"].clone()
        expected[1, :common] = torch.tensor([3.0, 4.0, 5.0])[:common]
        assert torch.equal(found, expected) and report.n_loaded == common
