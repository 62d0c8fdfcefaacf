"""What fits of a checkpoint, copied into a model; the rest is reported.

A model keeps its own fresh initialisation wherever the checkpoint has nothing that fits, no random
number is drawn, and nothing at all is copied where an error is raised, nor a warning turned into
one. Tensors keep their identity, so an optimiser made before stays valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import NamedTuple
import warnings

import torch
from torch import nn
from torch import Tensor
from torch.nn.parameter import is_lazy

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.lineage import maker_of
from optuna_meta.weights.checkpoint.lineage import origins_of
from optuna_meta.weights.checkpoint.lineage import steps_of
from optuna_meta.weights.checkpoint.trainable import is_trainable_only
from optuna_meta.weights.checkpoint.trainable import under_own_names
from optuna_meta.weights.state_dict import HasState
from optuna_meta.weights.state_dict import matches
from optuna_meta.weights.state_dict import opened
from optuna_meta.weights.state_dict import parted
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import require_matching
from optuna_meta.weights.state_dict import set_extra_state
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.tensors import adds_infinity
from optuna_meta.weights.tensors import assign
from optuna_meta.weights.tensors import describe
from optuna_meta.weights.tensors import require_tied
from optuna_meta.weights.tensors import same_kind
from optuna_meta.weights.tensors import shared_as
from optuna_meta.weights.tensors import State
from optuna_meta.weights.tensors import takes
from optuna_meta.weights.warm_start.compatible import compatible
from optuna_meta.weights.warm_start.embedding_rows import common_rows
from optuna_meta.weights.warm_start.embedding_rows import EmbeddingRows
from optuna_meta.weights.warm_start.lazy import lazy_shapes
from optuna_meta.weights.warm_start.lazy import LazyShape
from optuna_meta.weights.warm_start.position_grid import PositionGrid
from optuna_meta.weights.warm_start.rename import Rename
from optuna_meta.weights.warm_start.rename import renamed
from optuna_meta.weights.warm_start.report import InitReport
from optuna_meta.weights.warm_start.report import Mismatch


__all__ = ["initialize"]

Rows = Mapping[str, EmbeddingRows | PositionGrid]
Patterns = Sequence[Sequence[str]]

_PARTIAL = ("skip", "overlap", "error", None)
_SHOWN = 5  # names of each kind in a warning


class _Copy(NamedTuple):
    name: str
    values: Tensor  # (...), what is copied
    own: Tensor  # the model's
    place: Any = ...  # index of the values in the model's tensor; all of it by default


@dataclass
class _Plan:
    """What to copy where, before anything is copied, and the rest by the report's names."""

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
    partial: Literal["skip", "overlap", "error"] | None = None,
    rename: Rename | None = None,
    exclude: Sequence[str] = (),
    head: Sequence[str] = (),
    rows: Rows | None = None,
    least: float = 0.5,
) -> InitReport:
    """Copy what fits of the checkpoint into the model, in place.

    Args:
        model: A model on any device; compiled, wrapped or lazy ones too.
        checkpoint: A checkpoint, a candidate or a state dict.
        partial: What becomes of a tensor that does not fit: ``"skip"`` leaves it as the model
            initialised it, also without a name in the checkpoint, ``"overlap"`` copies the common
            leading block, ``"error"`` raises, also for missing and unexpected names. If None,
            tensors are skipped with a warning, as nobody asked for it.
        rename: The model's name for each of the checkpoint's: a function, or a mapping of names
            or dotted beginnings of names, of which the longest counts; ``{"": "bert."}`` is for
            all that have no other.
        exclude: Patterns (``"encoder.*"``) of the model's names to leave alone, and of those that
            the checkpoint alone has, which are then neither warned of nor an error.
        head: Patterns of what belongs to the task's own outputs, left alone like ``exclude``.
            Leave it empty where outputs mean the same in both tasks.
        rows: What the rows of a tensor stand for, by the model's name of it: rows of the same item
            are copied, such as embeddings of users or tokens that both tasks have, of another
            width by ``partial="overlap"``; and those of a :class:`PositionGrid` are interpolated
            where images have another size.
        least: The share of parameters, of those not left out, that must be copied.

    Returns:
        What was copied and what was not.

    Raises:
        ValueError: If a pattern or a name to rename matches nothing, less than ``least`` fits, a
            number would not be finite in the model's precision where a fresh one is, names are
            tied in the model and differ in the checkpoint, or ``partial="error"`` and something
            differs.
    """
    if partial not in _PARTIAL:
        raise ValueError(f"partial must be one of {_PARTIAL}, got {partial!r}.")
    checkpoint = opened(checkpoint)  # A candidate is read once.
    held = checkpoint if isinstance(checkpoint, Mapping) else checkpoint.state
    source, frozen = state_of(checkpoint), list[str]()
    if is_trainable_only(checkpoint):
        source, frozen = under_own_names(model, source)
    source = renamed(source, rename or {})
    source = compatible(model, source, getattr(held, "_metadata", None))
    plan = _plan(model, source, partial, [exclude, head, frozen], rows or {})
    report = _report(model, checkpoint, plan)
    _check(plan, report, partial, least)
    if partial in (None, "overlap"):
        _warn(report)
    set_extra_state(model, _extra_state_of(checkpoint), [*exclude, *head])
    for _, values, own, place in plan.copies:
        if is_lazy(own):
            own.materialize(values.shape)
        assign(own, values, place)
    return report


def _plan(
    model: nn.Module, source: State, partial: str | None, left_out: Patterns, rows: Rows
) -> _Plan:
    state = model.state_dict(keep_vars=True).items()
    # A module's extra state is no tensor.
    own = {plain_name(name): tensor for name, tensor in state if isinstance(tensor, Tensor)}
    for patterns in left_out:
        require_matching({**own, **source}, patterns)
    if unknown := [name for name in rows if name not in source or name not in own]:
        raise ValueError(f"rows names {unknown}, which model and checkpoint do not both have.")
    plan, asked = _Plan(), [pattern for patterns in left_out for pattern in patterns]
    for name in (name for name in source if name not in own):
        (plan.left_out if matches(name, asked) else plan.unexpected).append(name)
    shapes = lazy_shapes(model)
    for names in shared_as(own):  # Several where a tensor is tied.
        given = [name for name in names if name in source]
        if any(matches(name, asked) for name in names):
            plan.left_out += names
        elif not given:
            plan.missing += names
        else:
            require_tied(given, source)
            _place(plan, _Copy(given[0], source[given[0]], own[given[0]]), partial, rows, shapes)
    _leave_half_lazy(plan, model)
    return plan


def _place(
    plan: _Plan, whole: _Copy, partial: str | None, rows: Rows, shapes: Mapping[int, LazyShape]
) -> None:
    """Add to the plan what becomes of one tensor of both model and checkpoint."""
    if whole.own.layout == torch.strided and whole.values.layout != torch.strided:
        whole = whole._replace(values=whole.values.to_dense())
    name, values, own, _ = whole
    if is_lazy(own):
        shape = shapes.get(id(own), LazyShape())
        fits = shape.fits(values) and same_kind(values.dtype, own.dtype)
        differs = Mismatch(name, describe(values), str(shape))
        (plan.copies if fits else plan.mismatched).append(whole if fits else differs)  # type: ignore[arg-type]
        return
    mismatch = Mismatch(name, describe(values), describe(own))
    if not same_kind(values.dtype, own.dtype) or values.layout != own.layout:
        plan.mismatched.append(mismatch)
    elif isinstance(stand_for := rows.get(name), PositionGrid):
        resized = stand_for.fitted(name, values, own.shape)
        plan.copies.append(_Copy(name, resized, own, (slice(None),)))
        plan.overlapped.append(mismatch)
    elif stand_for is not None and (
        values.shape[1:] == own.shape[1:] or (partial == "overlap" and values.ndim == own.ndim)
    ):
        theirs, ours = common_rows(name, stand_for, len(values), len(own))
        rest = values.shape[1:], own.shape[1:]
        columns: tuple[Any, ...] = tuple(map(slice, map(min, *rest)))
        chosen = values[(theirs.to(values.device), *columns)]
        plan.copies.append(_Copy(name, chosen, own, (ours.to(own.device), *columns)))
        plan.overlapped.append(mismatch)
    elif values.shape == own.shape:
        plan.copies.append(whole)
        plan.cast += [mismatch] if values.dtype != own.dtype else []
    elif partial == "overlap" and values.ndim == own.ndim:
        block = tuple(slice(min(s)) for s in zip(values.shape, own.shape, strict=True))
        plan.copies.append(_Copy(name, values[block], own, block))
        plan.overlapped.append(mismatch)
    else:
        plan.mismatched.append(mismatch)


def _leave_half_lazy(plan: _Plan, model: nn.Module) -> None:
    """Leave a lazy module alone unless the checkpoint has all that it lacks."""
    placed = {id(copy.own) for copy in plan.copies}
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        lazy = {id(tensor) for tensor in own if is_lazy(tensor)}
        if not lazy <= placed:
            plan.missing += [copy.name for copy in plan.copies if id(copy.own) in lazy]
            plan.copies = [copy for copy in plan.copies if id(copy.own) not in lazy]


def _report(model: nn.Module, checkpoint: Source, plan: _Plan) -> InitReport:
    named = {plain_name(name): p for name, p in model.named_parameters()}
    lazy = {id(c.own): c.values.numel() for c in plan.copies if is_lazy(c.own)}
    sizes = {name: lazy.get(id(p), 0) if is_lazy(p) else p.numel() for name, p in named.items()}
    parameters = {id(p) for p in named.values()}
    others: dict[str, Any] = {kind: tuple(names) for kind, names in vars(plan).items()}
    copies: tuple[_Copy, ...] = others.pop("copies")
    return InitReport(
        loaded=tuple(copy.name for copy in copies if copy.place is ...),
        n_parameters=sum(sizes.values()),
        n_wanted=sum(size for name, size in sizes.items() if name not in plan.left_out),
        n_loaded=sum(copy.values.numel() for copy in copies if id(copy.own) in parameters),
        origins=origins_of(checkpoint),
        made_by=maker_of(checkpoint),
        steps=steps_of(checkpoint),
        **others,
    )


def _check(plan: _Plan, report: InitReport, partial: str | None, least: float) -> None:
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
    for name, values, own, place in plan.copies:
        if own.is_meta:
            raise ValueError(
                f"The model must have memory, got {name!r} on the meta device: move it by "
                "to_empty() and initialise it first."
            )
        if place is ... and not is_lazy(own) and not takes(own, values):
            raise ValueError(
                f"{name!r} is expanded in the model, one number in several places, and has "
                "several in the checkpoint, so nothing was loaded. Exclude it, or clone it there."
            )
        if adds_infinity(values, own, place):
            raise ValueError(
                f"Weights must be finite, got NaN or infinity in {name!r} of the checkpoint as "
                f"{str(own.dtype).removeprefix('torch.')}, so nothing was loaded. Its training "
                "diverged, or the model's precision is too low: take another."
            )


def _warn(report: InitReport) -> None:
    """Warn of what was skipped though nobody asked for it."""
    skipped = {
        "of another shape": [m.name for m in report.mismatched],
        "missing in the checkpoint": report.missing,
        "missing in the model": report.unexpected,
    }
    if parts := [
        f"{', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''} ({why})"
        for why, names in skipped.items()
        if names
    ]:
        warnings.warn(
            f"Not loaded: {'; '.join(parts)}. Name them in head or exclude, rename them, or pass "
            'partial="skip" if that is meant.',
            stacklevel=3,
        )


def _extra_state_of(checkpoint: Mapping[str, Any] | HasState) -> Mapping[str, Any]:
    if isinstance(checkpoint, Mapping):
        return parted(checkpoint)[1]
    return checkpoint.extra_state if isinstance(checkpoint, Checkpoint) else {}
