"""A prior trial has one way to a suggestion: few files of the package run for one."""

from __future__ import annotations

from pathlib import Path
import sys
from types import FrameType
from typing import Any

import optuna
from optuna.samplers import RandomSampler
import pytest

import optuna_meta
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run


PACKAGE = Path(optuna_meta.__file__).parent
FILES_BEFORE = 34  # As many ran in the flat package, measured in the same way before it moved.


def files_of(study: optuna.Study) -> set[str]:
    """Files of the package that run for the study's next trial."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        found.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        bowl()(study.ask())
    finally:
        sys.setprofile(before)
    return {p.relative_to(PACKAGE).as_posix() for p in map(Path, found) if PACKAGE in p.parents}


@pytest.mark.parametrize("is_new", [True, False], ids=["of a new sampler", "of a sampler in use"])
def test_one_suggestion_runs_few_files(is_new: bool) -> None:
    sampler = meta_sampler(bowl_prior())
    study = run(bowl(), 10, sampler=RandomSampler(seed=0) if is_new else sampler)
    study.sampler = sampler
    files = files_of(study)
    assert {"sampler/sampler.py", "suggest/acquisition.py", "space/rows.py"} <= files
    told_once = {"_html.py", "sampler/preflight.py", "studies/summary.py"}  # At its first trial.
    # It records, says why, reckons with costs and with weights to start from, which that one did
    # not, in files half as long.
    assert 10 * len(files - told_once) <= 14 * FILES_BEFORE, sorted(files)
