from __future__ import annotations

from pathlib import Path
import re

import optuna
from optuna.artifacts import get_all_artifact_meta
import pytest
import torch

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from tests.weights.store.breaking import Slow
from tests.weights.toys import files_of
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


def test_files_carry_the_name_of_their_trial(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="a/../study: of Ω")
    saved(store_in(tmp_path), [0.25], study=study, step=3)
    (meta,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert re.fullmatch(r"a_.._study_of_Ω-trial0-step3\.weights\.safetensors", meta.filename)


def test_nothing_is_left_in_the_staging_folder(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    trial = optuna.create_study(study_name="語" * 200).ask()
    store_in(tmp_path / "artifacts", staging=staging).save(trial, linear())
    with pytest.raises(OSError, match="connection broke"):
        CheckpointStore(Slow(tmp_path / "artifacts"), staging=staging).save(trial, linear())
    with pytest.raises(ValueError, match="meta device"):
        broken = Checkpoint({"a": torch.zeros(1, device="meta")})
        store_in(tmp_path / "artifacts", staging=staging).save(trial, broken)
    assert not files_of(staging)
