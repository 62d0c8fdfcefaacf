"""Ways to break a checkpoint that is in a store: each is found, and is named for what it is."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import pickle
import shutil
from typing import Any
from typing import NamedTuple

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound
import pytest
import safetensors.torch
import torch
from torch import nn

from optuna_meta._optuna import set_hidden_attr
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointRecord
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import Metadata
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


class Scene(NamedTuple):
    """A study of two checkpoints, the first of which is to be broken."""

    folder: Path
    store: CheckpointStore
    study: optuna.Study

    @property
    def record(self) -> CheckpointRecord:
        return self.store.records(self.study)[0]

    @property
    def path(self) -> Path:
        return self.folder / self.record.weights.artifact_id

    @property
    def other_path(self) -> Path:
        return self.folder / self.store.records(self.study)[1].weights.artifact_id


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    store = store_in(tmp_path / "artifacts")
    return Scene(tmp_path / "artifacts", store, saved(store, [0.1, 0.2]))


def _edit(scene: Scene, change: Callable[[bytearray], Any]) -> None:
    content = bytearray(scene.path.read_bytes())
    change(content)
    scene.path.write_bytes(content)


def _replace(scene: Scene, old: bytes, new: bytes) -> None:
    content = scene.path.read_bytes()
    assert old in content
    scene.path.write_bytes(content.replace(old, new, 1))


def _flip(place: int) -> Callable[[Scene], None]:
    def flip(content: bytearray) -> None:
        content[place] ^= 1

    return lambda scene: _edit(scene, flip)


def _rewrite(scene: Scene, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """A whole and valid checkpoint of the same trial, with other tensors."""
    checkpoint = scene.store.load(scene.record)
    state = dict(checkpoint.state)
    change(state)
    Checkpoint(state, checkpoint.metadata).save_file(scene.path)


def _drop_key(state: dict[str, torch.Tensor]) -> None:
    del state["bias"]


def _rename_prefix(state: dict[str, torch.Tensor]) -> None:
    for name in list(state):
        state[f"encoder.{name}"] = state.pop(name)


def _half(state: dict[str, torch.Tensor]) -> None:
    state.update({name: tensor.half() for name, tensor in state.items()})


def _turn(state: dict[str, torch.Tensor]) -> None:
    state["weight"] = state["weight"].T


def _tie(state: dict[str, torch.Tensor]) -> None:
    state["bias"] = state["weight"]


def _of(study: str, trial: int) -> Callable[[Scene], None]:
    """The same weights, said to be those of another trial."""

    def change(scene: Scene) -> None:
        state = scene.store.load(scene.record).state
        Checkpoint(state, Metadata(study, trial)).save_file(scene.path)

    return change


def _by_the_library(scene: Scene) -> None:
    state = dict(scene.store.load(scene.record).state)
    safetensors.torch.save_file(state, scene.path)
    # As long as the file that was recorded: spaces may follow the header's JSON.
    content, missing = scene.path.read_bytes(), scene.record.weights.n_bytes
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length] + b" " * (missing - len(content))
    scene.path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])


def _pickled(scene: Scene) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("a pickle was executed",))

    scene.path.write_bytes(pickle.dumps(Trap()))


def _newer(scene: Scene) -> None:
    _replace(scene, b'"version":"1"', b'"version":"9"')


def _huge_header(scene: Scene) -> None:
    _edit(scene, lambda content: content.__setitem__(slice(0, 8), b"\xff" * 8))


def _huge_shape(scene: Scene) -> None:
    _replace(scene, b'"shape":[1,3]', b'"shape":[9e9]')


def _swap(scene: Scene) -> None:
    first, second = scene.path.read_bytes(), scene.other_path.read_bytes()
    scene.path.write_bytes(second)
    scene.other_path.write_bytes(first)


DAMAGED = {
    "empty": (lambda s: s.path.write_bytes(b""), "truncated"),
    "truncated in the length": (
        lambda s: _edit(s, lambda c: c.__delitem__(slice(5, None))),
        "trunc",
    ),
    "truncated in the header": (
        lambda s: _edit(s, lambda c: c.__delitem__(slice(99, None))),
        "trunc",
    ),
    "truncated by one byte": (
        lambda s: _edit(s, lambda c: c.pop()),
        "truncated: it ends too early",
    ),
    "longer by one byte": (lambda s: _edit(s, lambda c: c.append(0)), "more bytes follow"),
    "a bit flipped in a tensor": (_flip(-3), "not those written"),
    "a bit flipped in the length": (_flip(0), "damaged|truncated"),
    "a bit flipped in the header": (_flip(20), "damaged|no hash"),
    "a huge header": (_huge_header, "truncated or no safetensors"),
    "a huge shape": (_huge_shape, "does not describe tensors"),
    "zeros": (
        lambda s: _edit(s, lambda c: c.__setitem__(slice(None), bytes(len(c)))),
        "damaged|no",
    ),
    "text": (lambda s: s.path.write_text("<html>404</html>" * 100), "no safetensors"),
    "a pickle": (_pickled, "no safetensors"),
    "other metadata": (
        lambda s: _replace(s, b"digits", b"faces!"),
        "holds weights of .* 'faces!'",
    ),
    "another value": (lambda s: _replace(s, b'"value\\": 0.1', b'"value\\": 9.1'), "not those"),
    "another program's file": (_by_the_library, "no hash to check it by"),
    "a newer version": (_newer, "version '9' .* reads up to 1: upgrade"),
    "two files swapped": (_swap, "holds weights of trial 1 of study 'digits'"),
    "wrong study": (
        _of("faces", 0),
        "truncated or damaged|holds weights of trial 0 of study 'faces'",
    ),
    "wrong trial": (_of("digits", 7), "truncated or damaged|holds weights of trial 7"),
    "missing key": (lambda s: _rewrite(s, _drop_key), "truncated or damaged|its hash is"),
    "renamed prefix": (lambda s: _rewrite(s, _rename_prefix), "truncated or damaged|its hash is"),
    "other dtype": (lambda s: _rewrite(s, _half), "truncated or damaged|its hash is"),
    "other shape": (lambda s: _rewrite(s, _turn), "its hash is .* the trial recorded"),
    "tied afterwards": (lambda s: _rewrite(s, _tie), "truncated or damaged|its hash is"),
    "other values": (
        lambda s: _rewrite(s, lambda state: state.update(bias=torch.ones(1))),
        "its hash is .* the trial recorded",
    ),
}


@pytest.mark.parametrize("way", DAMAGED)
def test_damage_is_found_by_load_and_by_verify(scene: Scene, way: str) -> None:
    break_it, message = DAMAGED[way]
    record, others = scene.record, 1
    break_it(scene)  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match=message) as error:
        scene.store.load(record)
    assert "trial 0 of study 'digits'" in str(error.value)
    report = scene.store.verify(scene.study)
    assert not report.ok
    assert report.findings[0].status == "damaged"
    assert str(error.value) in str(report)
    others = sum(finding.status == "damaged" for finding in report.findings) - 1
    assert others == (way == "two files swapped")


def _delete(scene: Scene) -> None:
    scene.path.unlink()


def _other_store(scene: Scene) -> None:
    for path in scene.folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("remove", [_delete, _other_store])
def test_a_missing_file_is_reported(scene: Scene, remove: Callable[[Scene], None]) -> None:
    record = scene.record
    remove(scene)
    message = "trial 0 of study 'digits' .* is not in this artifact store: .* deleted in the dash"
    with pytest.raises(ArtifactNotFound, match=message):
        scene.store.load(record)
    report = scene.store.verify(scene.study)
    assert report.findings[0].status == "missing" and not report.ok
    store_in(scene.folder, save_top_k=1).prune(scene.study)  # It bears that.
    assert len(scene.store.records(scene.study)) == 1


def test_what_the_dashboard_deleted_is_reported(scene: Scene) -> None:
    """It removes the file; and the artifact's attribute becomes null, or stays."""
    record = scene.record
    storage = scene.study._storage
    running = scene.study.ask()
    scene.store.save(running, linear(0.3), value=0.3)
    for trial, kept in ((0, True), (running.number, False)):
        ((artifact_id, *_),) = (
            entry["weights"]
            for entry in scene.study.trials[trial].system_attrs["optuna_meta:checkpoints"][
                "records"
            ]
        )
        (scene.folder / artifact_id).unlink()
        if not kept:
            storage.set_trial_system_attr(running._trial_id, f"artifacts:{artifact_id}", None)
    statuses = [finding.status for finding in scene.store.verify(scene.study).findings]
    assert statuses == ["missing", "intact", "missing"]
    with pytest.raises(ArtifactNotFound):
        scene.store.load(record)
    store_in(scene.folder, save_top_k=1).prune(scene.study)
    with pytest.warns(UserWarning, match="does not go on from it: .* not in this artifact store"):
        assert scene.store.resume(running, linear()) is None


def test_a_deleted_study_attribute_is_no_obstacle(scene: Scene) -> None:
    """The dashboard leaves null where a study's own artifact was."""
    other = optuna.create_study(study_name="other", storage=scene.study._storage)
    scene.study._storage.set_study_system_attr(other._study_id, "artifacts:x", None)
    store_in(scene.folder, save_top_k=1).prune(scene.study)
    assert len(list(scene.folder.iterdir())) == 1


@pytest.mark.parametrize(
    "edited",
    [
        {"study": "digits", "trial": 2, "records": [{"saved": "now"}]},
        {"study": "digits", "trial": 2, "records": ["text"]},
        {"study": "digits", "trial": "x", "records": []},
        [{"study": "digits"}],
        "text",
        7,
        {"study": "s", "trial": 2, "records": [{"weights": ["a", "b"], "saved": ""}]},
        {"study": "s", "trial": 2, "records": None},
    ],
)
def test_an_edited_record_costs_only_that_record(scene: Scene, edited: Any) -> None:
    trial = scene.study.ask()
    scene.store.save(trial, linear(0.3), value=0.3)
    set_hidden_attr(trial, "optuna_meta:checkpoints", edited)
    scene.study.tell(trial, 0.0)
    with pytest.warns(UserWarning, match="trial 2 of study 'digits' is left out, for it cannot"):
        assert len(scene.store.records(scene.study)) == 2
    copy = optuna.create_study(study_name="copy", storage=scene.study._storage)
    copy.add_trials(scene.study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))
    with pytest.warns(UserWarning, match="is left out"):
        store_in(scene.folder, save_top_k=1).prune(scene.study)
    assert len(list(scene.folder.iterdir())) == 3  # The copy has the others.
    optuna.delete_study(study_name="copy", storage=scene.study._storage)
    with pytest.warns(UserWarning, match="is left out"):
        store_in(scene.folder, save_top_k=1).prune(scene.study)
    assert len(list(scene.folder.iterdir())) == 2  # What nobody can read is not deleted.


def test_a_path_in_place_of_an_artifact_is_refused(scene: Scene) -> None:
    secret = scene.folder.parent / "secret"
    shutil.copy(scene.path, secret)
    trial = scene.study.ask()
    entry = scene.study.trials[0].system_attrs["optuna_meta:checkpoints"]["records"][0]
    entry = {**json.loads(json.dumps(entry)), "weights": ["../secret", *entry["weights"][1:]]}
    written = {"study": "digits", "trial": trial.number, "records": [entry]}
    set_hidden_attr(trial, "optuna_meta:checkpoints", written)
    scene.study.tell(trial, 0.0)
    report = scene.store.verify(scene.study)
    assert report.findings[-1].status == "damaged"
    assert "Invalid artifact_id" in report.findings[-1].detail


def test_tied_weights_come_back_tied_and_others_do_not(scene: Scene) -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    trial = scene.study.ask()
    record = scene.store.save(trial, model)
    untied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    assert scene.store.resume(trial, untied) == record
    assert torch.equal(untied[1].weight, model[1].weight)
    assert untied[1].weight is not untied[0].weight


def test_a_store_in_the_study_of_another_name_still_loads(scene: Scene, tmp_path: Path) -> None:
    """A copied study's records tell of the study that saved them."""
    optuna.copy_study(
        from_study_name="digits",
        from_storage=scene.study._storage,
        to_storage=scene.study._storage,
        to_study_name="renamed",
    )
    copy = optuna.load_study(study_name="renamed", storage=scene.study._storage)
    assert scene.store.load(scene.store.records(copy)[0]).metadata.study == "digits"
    assert scene.store.verify(copy).ok
