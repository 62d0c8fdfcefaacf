from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
import pickle
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import Metadata


KINDS = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.complex64,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.bool,
]


def model_of_all_sorts() -> nn.Sequential:
    """Tied, non-contiguous, empty and scalar tensors, buffers, and every kind of number."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(4, 4), nn.Linear(4, 4))
    model[2].weight = nn.Parameter(model[2].weight.detach().T)
    model[3].weight = model[2].weight
    for number, dtype in enumerate(KINDS):
        model.register_buffer(f"kind_{number}", torch.arange(5).to(dtype))
    model.register_buffer("empty", torch.empty(0, 3))
    model.register_buffer("scalar", torch.tensor(2.5))
    model.register_buffer("conjugate", torch.tensor([1j, 2.0]).conj())
    return model


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    def bits(tensor: torch.Tensor) -> Any:
        return tensor.resolve_conj().contiguous().reshape(-1).view(torch.uint8)

    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def test_a_file_gives_back_every_bit(tmp_path: Path) -> None:
    model = model_of_all_sorts()
    checkpoint = Checkpoint.from_model(model, study="digits", trial=3, step=10, tags=["final"])
    sha256 = checkpoint.save_file(tmp_path / "a")
    loaded = Checkpoint.load_file(tmp_path / "a")
    assert loaded.state.keys() == checkpoint.state.keys() == model.state_dict().keys()
    assert all(same_bits(loaded.state[n], t) for n, t in model.state_dict().items())
    assert (loaded.shapes, loaded.dtypes) == (checkpoint.shapes, checkpoint.dtypes)
    assert loaded.metadata.sha256 == sha256
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_metadata_come_back(tmp_path: Path) -> None:
    params = {"rate": 1e-3, "layers": 3, "kind": None, "on": True}
    checkpoint = Checkpoint.from_model(
        nn.Linear(2, 1),
        study="study of Ω",
        trial=7,
        params=params,
        value=float("-inf"),
        step=100,
        tags=("a", "b"),
        extra={"note": [1, None]},
    )
    sha256 = checkpoint.save_file(tmp_path / "a")
    metadata = Checkpoint.load_file(tmp_path / "a").metadata
    assert metadata == Metadata(
        "study of Ω",
        7,
        params,
        float("-inf"),
        100,
        ("a", "b"),
        checkpoint.metadata.versions,
        {"note": [1, None]},
        sha256,
    )
    assert metadata.versions["torch"] == version("torch")


def test_the_library_reads_our_files_and_we_read_its(tmp_path: Path) -> None:
    model = model_of_all_sorts()
    checkpoint = Checkpoint.from_model(model)
    checkpoint.save_file(tmp_path / "ours")
    theirs = safetensors.torch.load_file(tmp_path / "ours")
    assert checkpoint.state.keys() - theirs.keys() == {"3.weight"}  # It is tied: written once.
    assert all(same_bits(tensor, checkpoint.state[name]) for name, tensor in theirs.items())
    dense = {name: tensor.contiguous() for name, tensor in theirs.items()}
    safetensors.torch.save_file(dense, tmp_path / "theirs")
    with pytest.raises(ValueError, match="no hash .* require_hash=False"):
        Checkpoint.load_file(tmp_path / "theirs")
    ours = Checkpoint.load_file(tmp_path / "theirs", require_hash=False)
    assert ours.metadata == Metadata()
    assert all(same_bits(tensor, dense[name]) for name, tensor in ours.state.items())


def test_tied_tensors_are_written_once_and_stay_tied(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
    untied = Checkpoint.from_model(model)
    model[1].weight = model[0].weight
    tied = Checkpoint.from_model(model)
    assert tied.state["0.weight"] is tied.state["1.weight"]
    untied.save_file(tmp_path / "untied")
    tied.save_file(tmp_path / "tied")
    saved = (tmp_path / "untied").stat().st_size - (tmp_path / "tied").stat().st_size
    assert saved == pytest.approx(64 * 64 * 4, abs=200)
    loaded = Checkpoint.load_file(tmp_path / "tied")
    assert loaded.state["0.weight"] is loaded.state["1.weight"]
    model.load_state_dict(loaded.state)


def test_views_of_one_storage_that_are_not_the_same_are_not_taken_for_tied(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"whole": whole, "row": whole[0], "turned": whole.T, "start": whole[:1, :2]}
    Checkpoint(state).save_file(tmp_path / "a")
    loaded = Checkpoint.load_file(tmp_path / "a").state
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    assert len({tensor.data_ptr() for tensor in loaded.values()}) == 4


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # Torch's own, in compile.
@pytest.mark.parametrize("wrap", ["compile", "parallel", "both", "averaged", "part"])
def test_wrappers_leave_no_trace_in_names(wrap: str) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    plain = Checkpoint.from_model(model)
    wrapped: nn.Module = model
    if wrap == "part":
        wrapped = nn.Sequential(torch.compile(model[0]), nn.ReLU(), model[2])
    if wrap in ("compile", "both"):
        wrapped = torch.compile(wrapped)  # Not compiled before it is called.
    if wrap in ("parallel", "both"):
        wrapped = nn.DataParallel(wrapped)
    if wrap == "averaged":
        wrapped = torch.optim.swa_utils.AveragedModel(model)
    found = Checkpoint.from_model(wrapped).state
    assert found.keys() == plain.state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in plain.state.items())


def test_a_copy_does_not_change_with_the_model_and_a_view_does() -> None:
    model = nn.Linear(2, 1)
    copy, view = Checkpoint.from_model(model), Checkpoint.from_model(model, copy=False)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1.0
    assert torch.equal(copy.state["weight"], before)
    assert torch.equal(view.state["weight"], model.weight)
    assert not view.state["weight"].requires_grad


def test_lazy_modules_are_refused_until_they_ran() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    with pytest.raises(ValueError, match="'0.weight', .* lazy modules: run the model once"):
        Checkpoint.from_model(model)
    model(torch.zeros(4, 2))
    assert Checkpoint.from_model(model).shapes["0.weight"] == (3, 2)


def test_what_is_no_dense_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'a' is of type ndarray"):
        Checkpoint({"a": np.zeros(3)})  # type: ignore[dict-item]
    cases = {
        "meta device": torch.zeros(2, device="meta"),
        "sparse": torch.zeros(2, 2).to_sparse(),
        "complex128": torch.zeros(2, dtype=torch.complex128),
    }
    for problem, tensor in cases.items():
        with pytest.raises(ValueError, match=problem):
            Checkpoint({"a": tensor}).save_file(tmp_path / "a")
    with pytest.raises(ValueError, match="__metadata__"):
        Checkpoint({"__metadata__": torch.zeros(2)}).save_file(tmp_path / "a")
    with pytest.raises(ValueError, match="plain JSON"):
        Checkpoint({}, Metadata(extra={"x": object()})).save_file(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    Checkpoint({"a": torch.ones(3)}).save_file(tmp_path / "a")
    broken = {"a": torch.zeros(3), "b": torch.zeros(2, device="meta")}
    with pytest.raises(ValueError, match="meta device"):
        Checkpoint(broken).save_file(tmp_path / "a")
    assert torch.equal(Checkpoint.load_file(tmp_path / "a").state["a"], torch.ones(3))


def test_every_single_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Checkpoint.from_model(nn.Linear(1, 1), study="s", value=0.5).save_file(path)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 3):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged|truncated|version|no safetensors"):
            Checkpoint.load_file(path)
    path.write_bytes(whole)
    Checkpoint.load_file(path)


def test_every_truncation_and_extension_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Checkpoint.from_model(nn.Linear(1, 1)).save_file(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated|damaged"):
            Checkpoint.load_file(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="truncated or damaged"):
        Checkpoint.load_file(path)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("a pickle was executed",))

    (tmp_path / "a").write_bytes(pickle.dumps(Trap()))
    torch.save({"a": Trap()}, tmp_path / "b")
    for name in "ab":
        for require_hash in (True, False):
            with pytest.raises(ValueError, match="no safetensors|truncated"):
                Checkpoint.load_file(tmp_path / name, require_hash=require_hash)


def test_no_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No file at .*nothing"):
        Checkpoint.load_file(tmp_path / "nothing")


def test_texts_are_short_and_escaped() -> None:
    state = {f"<b>{i}</b>": torch.zeros(1000) for i in range(500)}
    checkpoint = Checkpoint(state, Metadata(study="<i>" + "x" * 1000, trial=3))
    assert "500 tensors of 500,000 values" in repr(checkpoint) and len(repr(checkpoint)) < 300
    page = checkpoint._repr_html_()
    assert "<b>" not in page and "<i>" not in page and len(page) < 5000
