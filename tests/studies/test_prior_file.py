"""Files that are whole, and yet no prior studies: a clear error, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
import copy
import json
from pathlib import Path
import struct
from typing import Any

import numpy as np
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import Prior
from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from tests.toys import grid
from tests.toys import run


KINDS = {"optuna_meta.prior": Prior, "optuna_meta.fitted_prior": FittedPrior}
Header = dict[str, Any]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Header]]:
    prior = Prior.from_studies([run(grid(b), 5, seed=b, study_name=f"s{b}") for b in (1, 2)])
    path = tmp_path_factory.mktemp("prior") / "file"
    found = {}
    for kind, made in zip(KINDS, (prior, fit_prior(prior)), strict=True):
        made.save(path)
        found[kind] = read_arrays(path, kind, 2)
    return found


def changed(key: str, value: Any) -> Callable[[dict[str, Any], Header], None]:
    def change(arrays: dict[str, Any], header: Header) -> None:
        place: Any = header
        *way, last = [int(k) if k.isdecimal() else k for k in key.split("/")]
        for step in way:
            place = place[step]
        place[last] = value

    return change


def array(name: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any], Header], None]:
    def change(arrays: dict[str, Any], header: Header) -> None:
        arrays[name] = make(arrays[name])

    return change


CHANGES: dict[str, Callable[[dict[str, Any], Header], object]] = {
    "no tasks": lambda arrays, header: header.pop("tasks"),
    "tasks of another type": changed("tasks", 7),
    "costs that are not there": changed("tasks/0/costs", ["money"]),
    "costs without a name": changed("tasks/0/costs", [7]),
    "more tasks than arrays": lambda arrays, header: header["tasks"].append(header["tasks"][0]),
    "no dimensions": changed("dimensions", []),
    "a dimension with more": changed("dimensions/0/path", "../../etc/passwd"),
    "a dimension without low": changed("dimensions/0/low", None),
    "an impossible range": changed("dimensions/0/low", 1e9),
    "no choices": changed("dimensions/1/choices", []),
    "a name that is no text": changed("tasks/0/name", ["../../etc"]),
    "a meta-feature that is no number": changed("tasks/0/meta_features", {"n": "ten"}),
    "an outcome with more": changed("tasks/0/measure", [1, 2, 3, 4, 5]),
    "versions of another type": changed("versions", {"a": 1}),
    "rows of integers": array("0.rows", lambda a: np.zeros(a.shape, dtype=np.int64)),
    "rows of another width": array("0.rows", lambda a: a[:, :1]),
    "values of another length": array("0.values", lambda a: a[:-1]),
    "infinite values": array("0.values", lambda a: a + np.inf),
    "missing rows": lambda arrays, header: arrays.pop("1.rows"),
}
OF_PARAMETERS: dict[str, Callable[[dict[str, Any], Header], object]] = {
    "no noise": lambda arrays, header: arrays.pop("noise"),
    "negative noise": array("noise", lambda a: -a),
    "amplitudes that are no numbers": array("amplitude", lambda a: a * np.nan),
    "precisions of fewer tasks": array("precisions", lambda a: a[:1]),
}


@pytest.mark.parametrize(
    ("kind", "change"),
    [(kind, change) for kind in KINDS for change in CHANGES]
    + [("optuna_meta.fitted_prior", change) for change in OF_PARAMETERS],
)
def test_whole_files_with_odd_contents_are_refused(
    kind: str, change: str, contents: dict[str, Any], tmp_path: Path
) -> None:
    arrays, header = copy.deepcopy(contents[kind])
    {**CHANGES, **OF_PARAMETERS}[change](arrays, header)
    write_arrays(tmp_path / "odd", arrays, kind, 2, header)
    with pytest.raises(ValueError, match="odd' is whole, but holds no prior studies.*save it"):
        KINDS[kind].load(tmp_path / "odd")


def test_costs_by_name_are_kept(tmp_path: Path) -> None:
    study = run(grid(1), 5, seed=1)
    for trial in study.get_trials(deepcopy=False):
        trial.user_attrs["money"] = 1.0 + trial.number
    prior = Prior.from_studies([study])
    prior.save(tmp_path / "file")
    (task,) = Prior.load(tmp_path / "file").tasks
    assert task.curves is not None
    np.testing.assert_array_equal(task.curves.costs["money"], np.arange(1.0, 6.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("header", ["[]", "7", "{", "[" * 100_000])
def test_headers_that_are_none_are_refused(
    kind: str, header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", lambda value, **_: header if value == {} else _dumps(value))
        write_arrays(tmp_path / "odd", {}, kind, 2, {})
    with pytest.raises(ValueError, match="odd' has no header"):
        KINDS[kind].load(tmp_path / "odd")


_dumps = json.dumps


@pytest.mark.parametrize("size", [2**63, 2**40, 10**8])
def test_an_enormous_header_is_not_believed(size: int, tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(struct.pack("<Q", size) + b"{}" * 50)
    with pytest.raises(ValueError, match="truncated or no safetensors file"):
        Prior.load(tmp_path / "odd")


def test_names_are_names_and_no_paths(tmp_path: Path) -> None:
    """A study called like a file is kept under its name, in the file that was asked for."""
    names = ["../escaped", "/tmp/absolute", "<script>alert(1)</script>", "a\0b", "n" * 10**6]
    studies = [run(grid(), 4, seed=i, study_name=name) for i, name in enumerate(names)]
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    Prior.from_studies(studies).save(folder / "prior")
    assert Prior.load(folder / "prior").names == tuple(names)
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "here", "prior"]


def test_names_are_told_escaped_and_bounded() -> None:
    name = "\x1b[2J<b>" + "n" * 10**6
    with pytest.warns(UserWarning) as caught:
        Prior.from_studies([run(lambda trial: 1.0, 2, study_name=name)])
    told = str(caught[0].message)
    assert len(told) < 300 and "\x1b" not in told and "x1b[2J<b>nnn" in told
