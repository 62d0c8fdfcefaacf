"""Copies what fits of a checkpoint into a model, and reports the rest.

A model keeps its own fresh initialisation wherever the checkpoint has nothing that fits, no random
number is drawn, and nothing at all is copied where an error is raised. Tensors keep their
identity, so an optimiser made before stays valid.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Literal
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.nn.parameter import UninitializedBuffer
from torch.nn.parameter import UninitializedParameter

from optuna_meta.weights.checkpoint.lineage import maker_of
from optuna_meta.weights.checkpoint.lineage import origins_of
from optuna_meta.weights.state_dict import matches
from optuna_meta.weights.state_dict import opened
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import same_kind
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.warm_start.embedding_rows import common_rows
from optuna_meta.weights.warm_start.embedding_rows import EmbeddingRows
from optuna_meta.weights.warm_start.report import InitReport
from optuna_meta.weights.warm_start.report import Mismatch


__all__ = ["initialize", "Rename"]

Rename = Mapping[str, str] | Callable[[str], str]

_PARTIAL = ("skip", "overlap", "error")


class _Copy(NamedTuple):
    name: str
    tensor: Tensor  # what is copied
    target: Tensor
    rows: Tensor | None = None  # of the target; all if None


@dataclass
class _Plan:
    """What to copy where, before anything is copied."""

    rows: Mapping[str, EmbeddingRows]
    copies: list[_Copy] = field(default_factory=list)
    overlapped: list[Mismatch] = field(default_factory=list)
    mismatched: list[Mismatch] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    cast: list[Mismatch] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


def initialize(
    model: nn.Module,
    checkpoint: Source,
    *,
    partial: Literal["skip", "overlap", "error"] = "skip",
    rename: Rename | None = None,
    exclude: Sequence[str] = (),
    head: Sequence[str] = (),
    rows: Mapping[str, EmbeddingRows] | None = None,
    least: float = 0.5,
) -> InitReport:
    """Copies what fits of the checkpoint into the model, in place.

    Args:
        model: A model on any device; compiled, wrapped or lazy ones too.
        checkpoint: A checkpoint, a candidate or a state dict.
        partial: What becomes of a tensor whose shape differs: ``"skip"`` leaves it as the model
            initialised it, ``"overlap"`` copies the common leading block, ``"error"`` raises, also
            for missing and unexpected names.
        rename: The model's name for each of the checkpoint's: a function, or a mapping of names
            or dotted beginnings of names, of which the longest counts.
        exclude: Patterns (``"encoder.*"``) of the model's names to leave alone.
        head: Patterns of what belongs to the task's own outputs, left alone like ``exclude``.
            Leave it empty where outputs mean the same in both tasks.
        rows: What the rows of a tensor stand for, by the model's name of it: rows of the same item
            are copied, such as embeddings of users or tokens that both tasks have.
        least: The share of parameters, of those not left out, that must be copied.

    Returns:
        What was copied and what was not.

    Raises:
        ValueError: If less than ``least`` fits, a number to copy is not finite, names are tied in
            the model and differ in the checkpoint, or ``partial="error"`` and something differs.
    """
    if partial not in _PARTIAL:
        raise ValueError(f"partial must be one of {_PARTIAL}, got {partial!r}.")
    checkpoint = opened(checkpoint)  # A candidate is read once.
    source = _renamed(state_of(checkpoint), rename)
    plan = _plan(model, source, partial, [exclude, head], rows or {})
    report = replace(
        _report(model, plan), origins=origins_of(checkpoint), made_by=maker_of(checkpoint)
    )
    _check(plan, report, partial, least)
    with torch.no_grad():
        for copy in plan.copies:
            _do(copy)
    return report


def _plan(
    model: nn.Module,
    source: dict[str, Tensor],
    partial: str,
    left_out: Sequence[Sequence[str]],
    rows: Mapping[str, EmbeddingRows],
) -> _Plan:
    targets = _targets(model)
    if unknown := [name for name in rows if name not in source or name not in targets]:
        raise ValueError(f"rows names {unknown}, which model and checkpoint do not both have.")
    plan = _Plan(rows, unexpected=[name for name in source if name not in targets])
    for group in _tied(targets):
        names = [name for name in group if name in source]
        if any(matches(name, patterns) for name in group for patterns in left_out):
            plan.left_out += group
        elif not names:
            plan.missing += group
        else:
            _check_tied(names, source)
            _place(plan, names[0], source[names[0]], targets[names[0]], partial)
    _leave_half_lazy(plan, model)
    return plan


def _place(plan: _Plan, name: str, tensor: Tensor, target: Tensor, partial: str) -> None:
    if is_lazy(target):
        plan.copies.append(_Copy(name, tensor, target))
        return
    mismatch = Mismatch(name, _shown(tensor), _shown(target))
    if not same_kind(tensor.dtype, target.dtype):
        plan.mismatched.append(mismatch)
    elif name in plan.rows and tensor.shape[1:] == target.shape[1:]:
        theirs, ours = common_rows(name, plan.rows[name], len(tensor), len(target))
        plan.copies.append(_Copy(name, tensor[theirs.to(tensor.device)], target, ours))
        plan.overlapped.append(mismatch)
    elif tensor.shape == target.shape:
        plan.copies.append(_Copy(name, tensor, target))
        if tensor.dtype != target.dtype:
            plan.cast.append(mismatch)
    elif partial == "overlap" and tensor.ndim == target.ndim:
        block = tuple(slice(min(s)) for s in zip(tensor.shape, target.shape, strict=True))
        plan.copies.append(_Copy(name, tensor[block], target[block]))
        plan.overlapped.append(mismatch)
    else:
        plan.mismatched.append(mismatch)


def _targets(model: nn.Module) -> dict[str, Tensor]:
    targets: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor):  # A module's extra state is none.
            targets[plain_name(name)] = tensor
    return targets


def _tied(targets: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Yields the names of each tensor: one, or several where it is tied."""
    groups: dict[int, list[str]] = {}
    for name, tensor in targets.items():
        groups.setdefault(id(tensor), []).append(name)
    yield from groups.values()


def _check_tied(names: list[str], source: Mapping[str, Tensor]) -> None:
    first = source[names[0]]
    for name in names[1:]:
        other = source[name]
        if other is not first and not (other.shape == first.shape and torch.equal(other, first)):
            raise ValueError(
                f"{names[0]!r} and {name!r} are one tensor in the model and two that differ in "
                f"the checkpoint. Rename one of them away, or exclude both."
            )


def _leave_half_lazy(plan: _Plan, model: nn.Module) -> None:
    """Leaves a lazy module alone unless the checkpoint has all that it lacks."""
    placed = {id(copy.target) for copy in plan.copies}
    for module in model.modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        lazy = [tensor for _, tensor in own if is_lazy(tensor)]
        if lazy and not all(id(tensor) in placed for tensor in lazy):
            gone = {id(tensor) for tensor in lazy}
            plan.missing += [copy.name for copy in plan.copies if id(copy.target) in gone]
            plan.copies = [copy for copy in plan.copies if id(copy.target) not in gone]


def _do(copy: _Copy) -> None:
    target = copy.target
    if isinstance(target, UninitializedParameter | UninitializedBuffer):
        target.materialize(copy.tensor.shape)
    if copy.rows is None:
        target.copy_(copy.tensor)
    else:
        target[copy.rows.to(target.device)] = copy.tensor.to(target)


def _report(model: nn.Module, plan: _Plan) -> InitReport:
    left_out = set(plan.left_out)
    named = {plain_name(name): p for name, p in model.named_parameters()}
    parameters = {id(p) for p in named.values()}
    lazy = {id(c.target): c.tensor.numel() for c in plan.copies if is_lazy(c.target)}
    sizes = {name: lazy.get(id(p), 0) if is_lazy(p) else p.numel() for name, p in named.items()}
    overlapped = {mismatch.name for mismatch in plan.overlapped}
    # A block is a view, so that its name tells it is a parameter's.
    buffers = {plain_name(name) for name, _ in model.named_buffers()}
    return InitReport(
        loaded=tuple(copy.name for copy in plan.copies if copy.name not in overlapped),
        overlapped=tuple(plan.overlapped),
        missing=tuple(plan.missing),
        unexpected=tuple(plan.unexpected),
        mismatched=tuple(plan.mismatched),
        left_out=tuple(plan.left_out),
        cast=tuple(plan.cast),
        n_parameters=sum(sizes.values()),
        n_wanted=sum(size for name, size in sizes.items() if name not in left_out),
        n_loaded=sum(
            copy.tensor.numel()
            for copy in plan.copies
            if id(copy.target) in parameters
            or copy.name in overlapped
            and copy.name not in buffers
        ),
    )


def _check(plan: _Plan, report: InitReport, partial: str, least: float) -> None:
    if partial == "error" and (plan.missing or plan.unexpected or plan.mismatched):
        raise ValueError(
            "The checkpoint must have the model's names, shapes and kinds of numbers, and does "
            f'not. Pass partial="skip" to load what fits, or rename.\n{report}'
        )
    if report.n_wanted and report.share_of_wanted < least:
        raise ValueError(
            f"At least {least:.0%} of the parameters must fit, got {report.share_of_wanted:.0%}: "
            "this looks like another architecture, so nothing was loaded. Rename what is named "
            f"otherwise, exclude what should stay fresh, or lower least.\n{report}"
        )
    for name, tensor, target, _ in plan.copies:
        if target.is_meta:
            raise ValueError(
                f"The model must have memory, got {name!r} on the meta device: move it by "
                "to_empty() and initialise it first."
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"Weights must be finite, got NaN or infinity in {name!r} of the checkpoint, so "
                "nothing was loaded. Its training diverged: take another."
            )


def _renamed(state: dict[str, Tensor], rename: Rename | None) -> dict[str, Tensor]:
    if rename is None:
        return state
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        new = _beginning(name, rename) if isinstance(rename, Mapping) else rename(name)
        if new in renamed:
            raise ValueError(f"Two of the checkpoint's names become {new!r}. Mend rename.")
        renamed[new] = tensor
    return renamed


def _beginning(name: str, rename: Mapping[str, str]) -> str:
    fitting = [old for old in rename if name == old or name.startswith(old.rstrip(".") + ".")]
    if not fitting:
        return name
    old = max(fitting, key=len)
    return (rename[old] + name[len(old) :]).lstrip(".")


def _shown(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
