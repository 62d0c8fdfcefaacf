"""A model's weights and what is known of them, in memory and as one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import json
import os
from pathlib import Path
from typing import Any
from typing import BinaryIO
import uuid
import warnings

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from optuna_meta._html import bounded
from optuna_meta._html import html_table
from optuna_meta.weights.checkpoint.flatten import flatten
from optuna_meta.weights.checkpoint.flatten import unflatten
from optuna_meta.weights.checkpoint.metadata import aliases_of
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.checkpoint.metadata import metadata_of
from optuna_meta.weights.checkpoint.metadata import versions
from optuna_meta.weights.checkpoint.metadata import written_metadata
from optuna_meta.weights.checkpoint.plain import as_json
from optuna_meta.weights.checkpoint.plain import as_text
from optuna_meta.weights.checkpoint.tensor_file import Header
from optuna_meta.weights.checkpoint.tensor_file import TensorReader
from optuna_meta.weights.checkpoint.tensor_file import write_tensors
from optuna_meta.weights.checkpoint.trainable import NOTE
from optuna_meta.weights.checkpoint.trainable import trainable_state
from optuna_meta.weights.state_dict import parted
from optuna_meta.weights.tensors import copied
from optuna_meta.weights.tensors import plain_tensors
from optuna_meta.weights.tensors import State
from optuna_meta.weights.tensors import untied


__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights by name, each a tensor of any shape, and where they come from.

    Args:
        state: The tensors, buffers among them; tied ones under each of their names.
        metadata: Where they come from.
        extra_state: What modules hold beside tensors (``get_extra_state``), and the count of an
            ``AveragedModel``, by name: numbers, text and tensors, nested in any way.

    Raises:
        ValueError: A value of ``state`` is no tensor, or not initialised yet.
    """

    state: Mapping[str, Tensor]
    metadata: Metadata = field(default_factory=Metadata)
    extra_state: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, tensor in self.state.items():
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    f"A checkpoint holds tensors, {name!r} is of type {type(tensor).__name__}: "
                    "leave it out, or convert it."
                )
        if lazy := [name for name, tensor in self.state.items() if is_lazy(tensor)]:
            raise ValueError(
                f"{', '.join(map(repr, lazy[:5]))} have no values yet, for they belong to lazy "
                "modules: run the model once on data first."
            )

    def __repr__(self) -> str:
        n_values = sum(tensor.numel() for tensor in self.state.values())
        m = self.metadata
        where = (
            f"study={bounded(m.study)!r}, trial={m.trial}, value={m.value}, " if m.study else ""
        )
        return f"Checkpoint({where}{len(self.state)} tensors of {n_values:,} values)"

    def _repr_html_(self) -> str:
        rows = [[n, tuple(t.shape), str(t.dtype)] for n, t in self.state.items()]
        return html_table(repr(self), ["tensor", "shape", "type"], rows)

    @classmethod
    def from_model(
        cls,
        model: torch.nn.Module,
        *,
        study: str = "",
        trial: int | None = None,
        params: Mapping[str, Any] | None = None,
        value: float | None = None,
        step: int | None = None,
        tags: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
        copy: bool = True,
        trainable_only: bool = False,
    ) -> Checkpoint:
        """Take the model's parameters and buffers, on the CPU.

        What ``torch.compile`` and other wrappers put into names is left out. Tied tensors stay
        tied. Those of FSDP2 are gathered, for which all ranks call this.

        Args:
            model: The model.
            study: See :class:`Metadata`, also for the others.
            trial: Number of the trial.
            params: Its hyperparameters.
            value: How well the weights did.
            step: After how many steps they are taken.
            tags: Words of the user's.
            extra: Anything else that JSON holds.
            copy: Whether to copy. Without, the tensors are the model's own, change with it, and
                stay on its device.
            trainable_only: Whether to leave out what is frozen: an adapter of PEFT, for example,
                is taken alone, under the names that its own files have.

        Raises:
            ValueError: A lazy module never ran, or ``extra`` is no JSON.
        """
        about = Metadata(
            study,
            trial,
            as_text(params or {}),
            value,
            step,
            tuple(tags),
            dict(versions()),
            as_json({**(extra or {}), **(NOTE if trainable_only else {})}),
        )
        # Only the model's own tensors, not views of them, tell which of them are tied.
        held = trainable_state(model) if trainable_only else model.state_dict(keep_vars=True)
        state, extra_state = parted(held)
        own = cls(state, about, extra_state)
        if not copy:
            return own
        return replace(own, state=copied(state), extra_state=deepcopy(extra_state))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        return {name: tuple(tensor.shape) for name, tensor in self.state.items()}

    @property
    def dtypes(self) -> dict[str, torch.dtype]:
        """Dtype of each tensor."""
        return {name: tensor.dtype for name, tensor in self.state.items()}

    def save_file(self, path: str | Path) -> str:
        """Write a safetensors file, whole or not at all, and return the hash of the tensors.

        Raises:
            ValueError: A tensor has no place in a safetensors file, or the metadata none in JSON.
        """
        partial = Path(f"{os.fspath(path)}.{uuid.uuid4().hex}.partial")
        try:
            with open(partial, "xb") as stream:
                header = write_checkpoint(stream, self)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return header.sha256

    @classmethod
    def load_file(
        cls, path: str | Path, *, device: str | torch.device = "cpu", require_hash: bool = True
    ) -> Checkpoint:
        """Read what :meth:`save_file` wrote, and check every byte. No code is ever executed.

        Args:
            path: The file.
            device: Where the tensors go, one after the other.
            require_hash: Whether to refuse files that other programs wrote, which have no hash.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"No file at {os.fspath(path)!r}.")
        with open(path, "rb") as stream:
            reader = TensorReader(stream, repr(os.fspath(path)), os.path.getsize(path))
            return read_checkpoint(reader, device=device, require_hash=require_hash)


def write_checkpoint(stream: BinaryIO, checkpoint: Checkpoint) -> Header:
    """Write a checkpoint to a stream that can seek; see :meth:`Checkpoint.save_file`."""
    trees, inside = _flat_extra_state(checkpoint)
    kept, aliases = untied({**plain_tensors(checkpoint.state), **inside})
    extra = json.dumps([trees, list(inside)]) if trees else ""
    return write_tensors(stream, kept, written_metadata(checkpoint.metadata, aliases, extra))


def _flat_extra_state(checkpoint: Checkpoint) -> tuple[dict[str, Any], State]:
    """Return extra state as JSON by name, and the tensors in it under names that are not taken."""
    start = "_extra_state"
    while any(taken.startswith(start) for taken in checkpoint.state):
        start = f"_{start}"
    trees: dict[str, Any] = {}
    inside: State = {}
    for name, value in checkpoint.extra_state.items():
        try:
            trees[name], tensors = flatten(value, f"{start}.{name}")
            inside |= plain_tensors(tensors)
        except ValueError as error:  # What a training brought is not lost for it.
            warnings.warn(f"{name!r} is not saved with the weights: {error}", stacklevel=2)
            trees.pop(name, None)
    return trees, inside


def read_checkpoint(
    reader: TensorReader, *, device: str | torch.device = "cpu", require_hash: bool = True
) -> Checkpoint:
    """Read a checkpoint to its end; see :meth:`Checkpoint.load_file`."""
    metadata = metadata_of(reader, require_hash=require_hash)
    aliases = aliases_of(reader)
    state = {name: tensor.to(device) for name, tensor in reader.tensors()}
    state |= {alias: state[name] for alias, name in aliases.items()}
    written = reader.header.metadata.get("extra_state")
    if written is None:
        return Checkpoint(state, metadata)
    try:
        trees, inside = json.loads(written)
        tensors = {name: state.pop(name) for name in inside}
        extra_state = {name: unflatten(tree, tensors) for name, tree in trees.items()}
        return Checkpoint(state, metadata, extra_state)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        text = f"{reader.label} is damaged: its extra state cannot be read ({error})."
        raise ValueError(text) from error
