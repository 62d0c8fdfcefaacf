from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import default_collate
from torch.utils.data import IterableDataset
from torch.utils.data import TensorDataset

from optuna_meta.weights.batches import batches_of
from optuna_meta.weights.batches import called
from optuna_meta.weights.batches import examples_of
from optuna_meta.weights.batches import labels_of
from optuna_meta.weights.batches import main_output
from optuna_meta.weights.batches import own_loss


X, Y = torch.arange(12.0).reshape(6, 2), torch.arange(6)


class Record(NamedTuple):
    x: Tensor
    labels: Tensor


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from zip(X, Y, strict=True)


class Own(nn.Module):
    """Whose output and loss are those of a model of ``transformers``."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        loss = {} if labels is None else {"loss": x.mean()}
        return {**loss, "logits": x}


EXAMPLES = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        Record(X, Y),
        {"x": X, "labels": Y},
        {"nested": {"x": X}, "labels": Y},
        TensorDataset(X, Y),
        EXAMPLES,
        Stream(),
        DataLoader(TensorDataset(X, Y), batch_size=2, shuffle=True),
        DataLoader(EXAMPLES, batch_size=2),  # type: ignore[arg-type]
        DataLoader(Stream(), batch_size=2),
        DataLoader(EXAMPLES, collate_fn=lambda some: Record(**default_collate(some))),  # type: ignore[arg-type]
    ],
)
def test_examples_are_at_hand_in_any_order_whatever_holds_them(data: Any) -> None:
    examples = examples_of(data)
    assert len(examples) == 6
    batch = examples.batch(torch.tensor([4, 1]))
    labels = labels_of(batch)
    assert labels is not None and labels.tolist() == [4, 1]


def test_what_holds_no_examples_is_told() -> None:
    with pytest.raises(ValueError, match=r"as many in each, got \[5, 6\] rows"):
        examples_of((X, Y[:5]))
    with pytest.raises(ValueError, match="a data set or a DataLoader, got int"):
        examples_of(3)
    with pytest.raises(ValueError, match="give it a batch_size"):
        examples_of(DataLoader(TensorDataset(X), batch_size=None))


def test_a_model_is_called_by_name_by_place_or_with_the_batch() -> None:
    assert called(lambda x, y: (x, y), {"y": 1, "x": 2}) == (2, 1)
    assert called(lambda x, y: (x, y), (1, 2)) == (1, 2)
    assert torch.equal(called(nn.Identity(), X), X)


def test_the_output_is_the_logits_or_the_first_numbers_of_each_example() -> None:
    for outputs in (
        X,
        {"loss": X.mean(), "logits": X},
        {"loss": X.mean(), "start": X, "end": -X},
        (X.mean(), Y, X, -X),
    ):
        assert main_output(outputs) is X
    for wrong in (Y.tolist(), {"loss": X.mean()}, None):
        with pytest.raises(ValueError, match="Wanted a model that returns a tensor"):
            main_output(wrong)


def test_a_model_that_has_a_loss_of_its_own_needs_no_other() -> None:
    assert own_loss(Own(), {"x": X, "labels": Y}) == X.mean()
    with pytest.raises(ValueError, match="put labels into the batch"):
        own_loss(Own(), {"x": X})
    with pytest.raises(ValueError, match="Wanted a model that returns its loss, got Tensor"):
        own_loss(nn.Identity(), X)


def test_batches_stay_and_data_sets_become_some() -> None:
    batches = [(X, Y)]
    assert batches_of(batches) is batches
    (batch,) = batches_of(TensorDataset(X, Y))
    assert torch.equal(batch[0], X)
