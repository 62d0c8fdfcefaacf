"""Calls into packages that print, log, warn and use global generators."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import io
import logging
import warnings

import numpy as np
import torch


__all__ = ["quiet_and_seeded"]


@contextlib.contextmanager
def quiet_and_seeded(seed: int) -> Iterator[None]:
    """Nothing printed, warned or logged, and global generators seeded, then put back.

    Args:
        seed:
            Seed for numpy's and torch's global generators.
    """
    state, disabled = np.random.get_state(), logging.root.manager.disable
    np.random.seed(seed % 2**32)
    logging.disable(logging.ERROR)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            torch.random.fork_rng(devices=[]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            yield
    finally:
        logging.disable(disabled)
        np.random.set_state(state)
