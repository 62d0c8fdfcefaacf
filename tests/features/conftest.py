from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def numbers() -> np.ndarray:
    """Correlated columns, (200, 5), one of them skewed, with a tenth of the cells missing."""
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 5))
    columns[:, 0] = np.exp(columns[:, 0])
    columns[rng.random(columns.shape) < 0.1] = np.nan
    return columns
