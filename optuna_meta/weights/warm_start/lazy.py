"""What a lazy module knows of its tensors' shapes before it has seen data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn
from torch import Tensor
from torch.nn.parameter import is_lazy


__all__ = ["lazy_shapes", "LazyShape"]


class LazyShape(NamedTuple):
    """A shape of which some sizes are unknown; all of it is where ``sizes`` is ``None``."""

    sizes: tuple[int | None, ...] | None = None

    def fits(self, tensor: Tensor) -> bool:
        """Tell whether a tensor may have this shape."""
        if self.sizes is None:
            return True
        pairs = zip(self.sizes, tensor.shape, strict=False)
        return len(self.sizes) == tensor.ndim and all(n in (None, size) for n, size in pairs)

    def __str__(self) -> str:
        sizes = self.sizes or ()
        return f"lazy ({', '.join('?' if n is None else str(n) for n in sizes)})"


def lazy_shapes(model: nn.Module) -> dict[int, LazyShape]:
    """Return the shapes of a model's tensors that have no values yet, by ``id``."""
    return {id(tensor): shape for module in model.modules() for tensor, shape in _of(module)}


def _of(module: nn.Module) -> Iterator[tuple[Tensor, LazyShape]]:
    own = {**module._parameters, **module._buffers}
    outputs, kernel = _outputs(module), getattr(module, "kernel_size", ())
    for name, tensor in own.items():
        if tensor is None or not is_lazy(tensor):
            continue
        if outputs is None or name not in ("weight", "bias"):
            yield tensor, LazyShape()
        elif name == "bias":
            yield tensor, LazyShape((outputs,))
        elif getattr(module, "transposed", False):
            yield tensor, LazyShape((None, outputs // int(module.groups), *kernel))  # type: ignore[arg-type]
        else:
            yield tensor, LazyShape((outputs, None, *kernel))


def _outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.modules.conv._ConvNd) else None
