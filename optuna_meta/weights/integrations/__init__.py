"""Trainers of other libraries: each epoch a checkpoint of the trial, and a start from another's.

Each needs its library, an optional extra: ``pip install 'optuna-meta[transformers]'``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_meta.weights.integrations.lightning import LightningCallback
    from optuna_meta.weights.integrations.skorch import SkorchCallback
    from optuna_meta.weights.integrations.transformers import TransformersCallback


__all__ = ["LightningCallback", "SkorchCallback", "TransformersCallback"]

_MODULES = {name: name.removesuffix("Callback").lower() for name in __all__}


def __getattr__(name: str) -> Any:
    """Import a library only for its own callback.

    Raises:
        ImportError: It is not installed.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    library = _MODULES[name]
    try:
        return getattr(import_module(f"{__name__}.{library}"), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{name} needs {library}: pip install 'optuna-meta[{library}]' ({error})."
        ) from error
