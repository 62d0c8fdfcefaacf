"""One protocol for data: ``loss(predict, batch)``, whatever a batch is and a model returns.

A batch is a tensor, a tuple or list of what the model takes by place, or a mapping of what it
takes by name; nested ones, and objects that move by ``.to(device)``, are passed on as they are.
Losses are called with what predicts, which is called like the model, and a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import cast
from typing import Protocol

from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset
from torch.utils.data import default_collate
from torch.utils.data import IterableDataset

from optuna_meta.weights.torch_tools import mapped


__all__ = [
    "batches_of",
    "called",
    "Examples",
    "examples_of",
    "labels_of",
    "Loss",
    "main_output",
    "own_loss",
    "Predict",
    "split_labels",
    "tensors_in",
]

Predict = Callable[..., Any]
Loss = Callable[[Predict, Any], Tensor]

_LABELS = ("labels", "label", "targets", "target", "y")
_BATCH_SIZE = 32  # Of a data set that comes without a loader.


def called(predict: Predict, batch: Any) -> Any:
    """Return what is predicted of a batch: by name, by place, or of the batch itself."""
    if isinstance(batch, Mapping):
        return predict(**batch)
    return predict(*batch) if isinstance(batch, tuple | list) else predict(batch)


def own_loss(predict: Predict, batch: Any) -> Tensor:
    """Return the loss that the model itself returns, as those of ``transformers`` do.

    Raises:
        ValueError: It returns none for this batch.
    """
    outputs = called(predict, batch)
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if not isinstance(loss, Tensor):
        raise ValueError(
            f"Wanted a model that returns its loss, got {type(outputs).__name__} without one: "
            "pass loss(predict, batch), or put labels into the batch."
        )
    return loss


def main_output(outputs: Any) -> Tensor:
    """Return the tensor (n, ...) that a model predicts, of whatever it returns.

    Of a mapping or record that is ``logits``, elsewhere the first tensor of numbers with a row for
    each example.

    Raises:
        ValueError: There is none.
    """
    if isinstance(outputs, Tensor):
        return outputs
    parts: Iterable[Any] = outputs if isinstance(outputs, tuple | list) else ()
    if isinstance(outputs, Mapping):
        parts = [outputs["logits"]] if "logits" in outputs else outputs.values()
    elif (logits := getattr(outputs, "logits", None)) is not None:
        parts = [logits]
    for part in parts:
        if isinstance(part, Tensor) and part.ndim and part.is_floating_point():
            return part
    raise ValueError(
        f"Wanted a model that returns a tensor (n, ...), or a mapping, tuple or record with one, "
        f"got {type(outputs).__name__}."
    )


def labels_of(batch: Any) -> Tensor | None:
    """Return a batch's labels (n, ...), or ``None`` where it is not known which they are.

    They are what a mapping has under one of the usual names, and the last of a tuple's tensors.
    """
    labels = split_labels(batch)[1]
    return labels if isinstance(labels, Tensor) else None


def split_labels(batch: Any) -> tuple[Any, Any]:
    """Return a batch's inputs and its labels, ``None`` where it has none."""
    if isinstance(batch, Mapping):
        name = next((name for name in _LABELS if name in batch), None)
        return {n: part for n, part in batch.items() if n != name}, name and batch[name]
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        return batch, None
    inputs = batch[0] if len(batch) == 2 else tuple(batch[:-1])
    return inputs, batch[-1]


class Examples(Protocol):
    """Examples at hand in any order."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor) -> Any:
        """Return a batch of some examples, by their places (m,)."""


def examples_of(data: Any) -> Examples:
    """Return the examples of tensors, of a data set, or of those that a ``DataLoader`` draws from.

    Args:
        data: A batch of all examples (a tensor, or tuple or mapping of them); a data set, or list
            of examples; a loader, whose ``collate_fn`` makes batches.

    Raises:
        ValueError: It is none of these, or its tensors are not of the same examples.
    """
    if isinstance(data, DataLoader):
        if data.batch_sampler is None and not isinstance(data.dataset, IterableDataset):
            raise ValueError("Wanted a DataLoader that makes batches: give it a batch_size.")
        return _Collated(_in_order(data.dataset), data.collate_fn)
    if isinstance(data, Tensor | Mapping | tuple):
        return _Tensors(data)
    if isinstance(data, Dataset) or _is_data_set(data):
        return _Collated(_in_order(data), default_collate)
    raise ValueError(
        f"Wanted tensors, or a tuple or mapping of them, a data set or a DataLoader, got "
        f"{type(data).__name__}."
    )


def batches_of(data: Iterable[Any]) -> Iterable[Any]:
    """Return the batches of a loader or other iterable of them, or of a data set's examples."""
    if isinstance(data, Dataset) or (_is_data_set(data) and not isinstance(data, list | tuple)):
        return DataLoader(cast(Any, data), _BATCH_SIZE)
    return data


class _Tensors:
    """Nested tensors, each with a row for each example."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        lengths = {len(tensor) for tensor in tensors_in(batch) if tensor.ndim}
        if len(lengths) != 1:
            raise ValueError(
                "Wanted tensors with a row for each example, as many in each, got "
                f"{sorted(lengths) or 'none'} rows."
            )
        (self._n,) = lengths

    def __len__(self) -> int:
        return self._n

    def batch(self, rows: Tensor) -> Any:
        return mapped(self._batch, lambda part: part[rows.to(part.device)] if part.ndim else part)


class _Collated:
    """A data set's examples, and what makes batches of them."""

    def __init__(self, dataset: Sequence[Any], collate: Callable[[list[Any]], Any]) -> None:
        self._dataset, self._collate = dataset, collate

    def __len__(self) -> int:
        return len(self._dataset)

    def batch(self, rows: Tensor) -> Any:
        return self._collate([self._dataset[i] for i in rows.tolist()])


def _is_data_set(data: Any) -> bool:
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _in_order(dataset: Any) -> Sequence[Any]:
    """Return a data set whose examples have places; those of a stream are gathered."""
    return list(dataset) if isinstance(dataset, IterableDataset) else cast(Sequence[Any], dataset)


def tensors_in(batch: Any) -> Iterator[Tensor]:
    """Yield the tensors of a batch, however nested."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping | tuple | list):
        for part in batch.values() if isinstance(batch, Mapping) else batch:
            yield from tensors_in(part)
