"""One artifact that cannot be read is told of and passed over; it never ends the rest."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
import pytest
import torch
from torch import nn

from optuna_meta._optuna import set_hidden_attr
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import NewTask
from optuna_meta.weights import rank_checkpoints
from tests.weights.toys import linear
from tests.weights.toys import saved


class Broken(FileSystemArtifactStore):
    """A store that gives some artifacts no more."""

    gone: dict[str, Exception]
    breaks_late = False

    def open_reader(self, artifact_id: str) -> Any:
        error = self.gone.get(artifact_id)
        if error is not None and not self.breaks_late:
            raise error
        stream = super().open_reader(artifact_id)
        if error is None:
            return stream
        whole = stream.read()
        stream.close()
        return _Breaking(whole, error)


class _Breaking:
    def __init__(self, whole: bytes, error: Exception) -> None:
        self._whole, self._error, self._place = whole, error, 0

    def read(self, n: int) -> bytes:
        if self._place > 20:
            raise self._error
        piece = self._whole[self._place : self._place + n]
        self._place += n
        return piece

    def close(self) -> None:
        pass


class OfAStore(Exception):
    """As those of boto3 and of Google's client, which are no OSError."""


ERRORS = [PermissionError("no"), OSError(5, "Input/output"), OfAStore("503"), TimeoutError()]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("error", ERRORS)
def test_what_a_store_does_not_give_is_passed_over(
    tmp_path: Path, error: Exception, late: bool
) -> None:
    artifacts = Broken(tmp_path)
    artifacts.gone, artifacts.breaks_late = {}, late
    store = CheckpointStore(artifacts)
    study = saved(store, [0.1, 0.2, 0.3])
    running = study.ask()
    first = store.save(running, linear(0.5), step=0)
    last = store.save(running, linear(0.6), step=1)
    best = store.records(study)[0]
    artifacts.gone = {best.weights.artifact_id: error, last.weights.artifact_id: error}

    statuses = [finding.status for finding in store.verify(study).findings]
    assert statuses == ["unreadable", "intact", "intact", "intact", "unreadable"]
    assert not store.verify(study).ok
    model = linear()
    with pytest.warns(UserWarning, match="does not go on from it: .* could not be"):
        assert store.resume(running, model) == first
    assert model.weight.unique().tolist() == [0.5]
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    target = NewTask(linear, x, x.sum(1, keepdim=True), nn.functional.mse_loss)
    ranking = rank_checkpoints(find_checkpoints([study], store), target)
    notes = {
        start.candidate.record.trial: start.note for start in ranking.starts if start.candidate
    }
    assert "could not be" in notes[0] and "could not be" not in notes[1]
    with pytest.raises(OSError, match="trial 0 of study 'digits' .* could not be"):
        store.load(best)
    store.prune(study)


PATHS = ["../secret", "/etc/passwd", "..", "a/b", "a\\b", "C:x", ""]


@pytest.mark.parametrize("artifact_id", PATHS)
def test_no_store_is_asked_for_a_path(tmp_path: Path, artifact_id: str) -> None:
    class Trusting:
        """A store that would read and remove whatever it is asked to."""

        def __init__(self) -> None:
            self.inner = FileSystemArtifactStore(tmp_path)

        def _ask(self, what: str, artifact_id: str, *rest: Any) -> Any:
            if not artifact_id.replace("-", "").isalnum():
                pytest.fail(f"{what} {artifact_id}")
            return getattr(self.inner, what)(artifact_id, *rest)

        def open_reader(self, artifact_id: str) -> Any:
            return self._ask("open_reader", artifact_id)

        def write(self, artifact_id: str, content_body: Any) -> None:
            self._ask("write", artifact_id, content_body)

        def remove(self, artifact_id: str) -> None:
            self._ask("remove", artifact_id)

    store = CheckpointStore(Trusting(), save_top_k=1)
    study = optuna.create_study(study_name="digits")
    trial = study.ask()
    store.save(trial, linear(0.5), value=0.5)
    written = json.loads(json.dumps(study.trials[0].system_attrs["optuna_meta:checkpoints"]))
    written["records"][0]["weights"][0] = artifact_id
    written["earlier"] = [artifact_id, "0" * 64, 100]
    set_hidden_attr(trial, "optuna_meta:checkpoints", written)
    study.tell(trial, 0.5)
    with pytest.warns(UserWarning, match="Invalid artifact_id"):
        saved(store, [0.1], study=study)
    with pytest.warns(UserWarning, match="Invalid artifact_id"):
        report = store.verify(study)
    assert [finding.status for finding in report.findings] == [
        "damaged",
        "intact",
        "unfinished",  # What the record was of before it was edited.
    ]
    with pytest.warns(UserWarning, match="Invalid artifact_id"):
        store.prune(study)
    with pytest.warns(UserWarning, match="Invalid artifact_id"):
        assert [record.value for record in store.records(study)] == [0.1, 0.5]


HEADERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an alias to nothing": lambda h: h["__metadata__"].update(aliases='{"other": "absent"}'),
    "an alias for a tensor": lambda h: h["__metadata__"].update(aliases='{"bias": "weight"}'),
    "aliases that are a list": lambda h: h["__metadata__"].update(aliases="[1]"),
    "aliases that are no JSON": lambda h: h["__metadata__"].update(aliases="{"),
    "extra state of nothing": lambda h: h["__metadata__"].update(
        extra_state='[{"a": {"tensor": "absent"}}, []]'
    ),
    "extra state that is a number": lambda h: h["__metadata__"].update(extra_state="3"),
    "a tensor of 2**70 empty rows": lambda h: h.update(
        empty={"dtype": "F32", "shape": [2**70, 0], "data_offsets": [16, 16]}
    ),
    "negative sizes": lambda h: h["weight"].update(shape=[-1, -3]),
    "a huge tensor": lambda h: h["weight"].update(shape=[2**40], data_offsets=[0, 2**42]),
    "a dtype that is a list": lambda h: h["weight"].update(dtype=[]),
    "offsets that are text": lambda h: h["weight"].update(data_offsets="ab"),
    "metadata that are numbers": lambda h: h["__metadata__"].update(sha256=3),
    "metadata that are a list": lambda h: h.update(__metadata__=[]),
}


@pytest.mark.parametrize("require_hash", [True, False])
@pytest.mark.parametrize("kind", HEADERS)
def test_a_malicious_header_is_a_value_error(
    tmp_path: Path, kind: str, require_hash: bool
) -> None:
    path = tmp_path / "a"
    Checkpoint.from_model(linear(0.5)).save_file(path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if not require_hash:  # As if another program had written it.
        header["__metadata__"].pop("sha256"), header["__metadata__"].pop("seal")
    HEADERS[kind](header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(ValueError, match="damaged|truncated|no hash"):
        Checkpoint.load_file(path, require_hash=require_hash)


def test_a_checkpoint_that_vanishes_while_it_is_ranked_is_passed_over(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    candidates = find_checkpoints([saved(store, [0.1, 0.2])], store)

    class Vanishing:
        """It is read once, and removed by another worker then."""

        record, score, n = candidates[0].record, candidates[0].score, 0

        def load(self) -> Checkpoint:
            self.n += 1
            if self.n > 1:
                raise ArtifactNotFound("pruned meanwhile")
            return candidates[0].load()

    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    target = NewTask(linear, x, x.sum(1, keepdim=True), nn.functional.mse_loss)
    ranking = rank_checkpoints([Vanishing(), candidates[1]], target)  # type: ignore[list-item]
    assert [start.note for start in ranking.starts][-1] == "pruned meanwhile"
    assert ranking.starts[0].candidate in (None, candidates[1])
