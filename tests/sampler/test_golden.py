"""One suggestion after fixed trials, and its explanation, stay as they were recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sampler import golden


RECORDED = json.loads(golden.RECORDED.read_text())
CASES = golden.cases()

pytestmark = pytest.mark.skipif(
    golden.versions() != RECORDED["versions"],
    reason=f"recorded with {RECORDED['versions']}, here are {golden.versions()}",
)


def assert_equal(found: Any, recorded: Any, where: str = "") -> None:
    """Equal in structure and words, and numbers within 1e-9."""
    if isinstance(recorded, dict):
        assert found.keys() == recorded.keys(), where
        for key, value in recorded.items():
            assert_equal(found[key], value, f"{where}/{key}")
    elif isinstance(recorded, list):
        assert len(found) == len(recorded), where
        for i, value in enumerate(recorded):
            assert_equal(found[i], value, f"{where}/{i}")
    elif isinstance(recorded, float):
        assert found == pytest.approx(recorded, rel=1e-9, abs=1e-9), where
    else:
        assert found == recorded, where


@pytest.mark.parametrize("name", CASES)
def test_the_suggestion_stays(name: str) -> None:
    assert_equal(golden.result_of(CASES[name]), RECORDED["cases"][name])


def test_every_case_is_recorded() -> None:
    assert RECORDED["cases"].keys() == CASES.keys()
