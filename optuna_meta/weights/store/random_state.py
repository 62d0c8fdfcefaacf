"""Global random numbers as a part of a training's state."""

from __future__ import annotations

from collections.abc import Mapping
import random
from typing import Any

import numpy as np
import torch


__all__ = ["RandomState"]


class RandomState:
    """The global random numbers of Python, NumPy and torch, on the CPU and on CUDA where in use.

    ``store.save(trial, model, state={"random": RandomState()})`` writes where they are, and
    ``store.resume`` puts them back there: dropout and augmentation then go on as if the training
    had never stopped. Generators of one's own, such as a ``DataLoader``'s, are passed beside it.
    """

    def state_dict(self) -> dict[str, Any]:
        """Return where they are."""
        state = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002
            "torch": torch.get_rng_state(),
        }
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            state["cuda"] = torch.cuda.get_rng_state_all()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put them back, on as many devices as there are."""
        random.setstate(state_dict["python"])
        np.random.set_state(state_dict["numpy"])  # noqa: NPY002
        torch.set_rng_state(state_dict["torch"])
        devices = state_dict.get("cuda", ())[: torch.cuda.device_count()]
        for device, state in enumerate(devices):
            torch.cuda.set_rng_state(state, device)
