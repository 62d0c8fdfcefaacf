"""The layers of a model from its input to its output: its blocks, and what is around them.

Howard and Ruder (2018) and timm count a transformer's or a residual network's block as one layer,
the embedding before the blocks as another, and the head after them as the last.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn


__all__ = ["layer_of_each"]


def layer_of_each(model: nn.Module) -> dict[str, int]:
    """Return the layer of each parameter, from 0 for the one nearest to the input.

    Blocks are the members of a list or sequence that have parts of their own and are of one class.
    What lies before, between and after blocks is a layer each if it has a matrix, and belongs to
    the one before otherwise, such as a last normalisation. In a model without blocks, each module
    with a matrix of its own starts a layer.

    Args:
        model: The model, of which modules were registered in the order they are used in.
    """
    blocks = list(_blocks(model, ""))
    layers: dict[str, int] = {}
    last, depth, started = None, 0, False
    for name, p in model.named_parameters():
        block = next((b for b in blocks if name.startswith(f"{b}.")), "")
        unit = block if blocks else name.rpartition(".")[0]
        # Vectors belong to the layer before them, but for those of a block.
        starts = unit != last and (bool(block) or p.ndim > 1)
        depth += starts and started
        if starts:
            last, started = unit, True
        layers[name] = depth
    return layers


def _blocks(module: nn.Module, name: str) -> Iterator[str]:
    """Yield the names of a module's outermost blocks."""
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if _is_block(child, module):
            yield path
        else:
            yield from _blocks(child, path)


def _is_block(child: nn.Module, parent: nn.Module) -> bool:
    if not isinstance(parent, nn.ModuleList | nn.Sequential) or not _has_parts(child):
        return False
    alike = [other for other in parent if type(other) is type(child) and _has_parts(other)]
    return len(alike) > (0 if isinstance(parent, nn.ModuleList) else 1)


def _has_parts(module: nn.Module) -> bool:
    return any(next(part.parameters(), None) is not None for part in module.children())
