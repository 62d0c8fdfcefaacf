"""Fixtures of all tests: Optuna is quiet, and no sampler falls back by accident."""

from __future__ import annotations

from collections.abc import Iterator
import logging

import optuna
import pytest

from optuna_meta.surrogate import fitted as fitted_module
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.reliability import Reliability


pytest.register_assert_rewrite("optuna.testing.pytest_samplers")


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    @property
    def warnings(self) -> list[str]:
        return [r.getMessage() for r in self.records if r.levelno >= logging.WARNING]


@pytest.fixture(autouse=True)
def logged(request: pytest.FixtureRequest) -> Iterator[_Records]:
    """What ``optuna.meta`` logs; a plan that failed fails the test, unless that is its subject."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logger = logging.getLogger("optuna.meta")
    handler = _Records()
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)
    failed = [m for m in handler.messages if "failed in study" in m]
    assert request.node.get_closest_marker("plan_may_fail") or not failed, failed


@pytest.fixture
def weighings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many studies each computation of what prior studies say of each other was of."""
    sizes: list[int] = []
    reliability_of = fitted_module.reliability_of

    def counted(fitted: FittedPrior) -> Reliability:
        sizes.append(len(fitted))
        return reliability_of(fitted)

    monkeypatch.setattr(fitted_module, "reliability_of", counted)
    return sizes


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "plan_may_fail: this test breaks the planning itself")
