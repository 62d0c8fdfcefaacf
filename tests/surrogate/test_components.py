from __future__ import annotations

from dataclasses import replace

import pytest

from optuna_meta.surrogate.components import components


@pytest.mark.parametrize("trust", [0.01, 0.3, 0.7, 0.99])
def test_transferring_components_share_the_trust(trust: float) -> None:
    mixture = components(trust)
    assert sum(h.odds for h in mixture if h.transfers) == pytest.approx(trust)
    assert sum(h.odds for h in mixture if not h.transfers) == pytest.approx(1.0 - trust)
    assert all(h.odds > 0.0 for h in mixture)


@pytest.mark.parametrize("trust", [0.3, 0.7])
def test_reversing_components_are_unlikely_beforehand(trust: float) -> None:
    reversing = sum(h.odds for h in components(trust) if h.slope < 0.0)
    assert 0.0 < reversing < 0.2 * trust


def test_without_trust_all_components_are_cold() -> None:
    cold = components(0.0)
    assert cold and not any(h.transfers for h in cold)
    assert sum(h.odds for h in cold) == pytest.approx(1.0)
    assert all(h.transfers for h in components(1.0))


def test_components_are_different() -> None:
    mixture = components(0.5)
    assert len({replace(h, odds=1.0) for h in mixture}) == len(mixture)
    assert all(h.noise > 0.0 and h.residual > 0.0 for h in mixture)
