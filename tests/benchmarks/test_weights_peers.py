from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.weights.__main__ import main
from benchmarks.weights.loading import Case
from benchmarks.weights.loading import CASES
from benchmarks.weights.loading import judge
from benchmarks.weights.loading import Loader
from benchmarks.weights.loading import LOADERS
from benchmarks.weights.loading import Net
from benchmarks.weights.loading import source_state
from benchmarks.weights.peers import averaging


OURS, _, TORCH, LAX = LOADERS[:4]
REFUSED = {"renamed prefix `encoder.`", "wrong architecture", "weights that are NaN"}
REFUSED |= {"bit flip", "truncated file"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_loads_what_fits_or_refuses(case: Case, tmp_path: Path) -> None:
    told = "loads the rest, told" if case.concerned else "loads"
    assert judge(OURS, case, tmp_path) == ("refuses" if case.name in REFUSED else told)


def test_verdicts_on_loaders_of_known_faults(tmp_path: Path) -> None:
    cases = {case.name: case for case in CASES}

    def nothing(model: Net, path: Path, option: None) -> tuple[Net, str]:
        return model, ""

    def head_only(model: Net, path: Path, option: None) -> tuple[Net, str]:
        model.head.load_state_dict(Net(seed=2).head.state_dict())
        return model, ""

    def failing(model: Net, path: Path, option: None) -> tuple[Net, str]:
        with torch.no_grad():
            model.norm.bias.add_(1.0)
        raise AttributeError("no")

    lazy, partial, broken = (Loader("x", "torch", load) for load in (nothing, head_only, failing))
    plain = cases["nothing wrong"]
    assert judge(lazy, plain, tmp_path) == "**loads nothing, silent**"
    assert judge(partial, plain, tmp_path).startswith("**loads all but embed.weight, hidden.weigh")
    expected = "crashes without naming what (AttributeError), **model half loaded**"
    assert judge(broken, plain, tmp_path) == expected
    assert judge(lazy, cases["bit flip"], tmp_path) == "**loads damaged weights, silent**"


def test_torch_is_half_loaded_by_a_head_of_another_shape(tmp_path: Path) -> None:
    head = next(case for case in CASES if case.name == "head of another shape")
    for loader in (TORCH, LAX):
        assert judge(loader, head, tmp_path) == "refuses, **model half loaded**"


def test_tied_weights_of_the_source_are_one_tensor() -> None:
    state = source_state()
    assert torch.equal(state["out.weight"], state["embed.weight"])
    assert not torch.equal(state["hidden.weight"], Net().hidden.weight)


def test_averaging_equals_torchs() -> None:
    gaps = [float(line.split("|")[2]) for line in averaging().splitlines()[2:]]
    assert len(gaps) == 5 and max(gaps) <= 1e-6


def test_all_tables_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["peers", "--splits", "1"])
    printed = capsys.readouterr().out
    assert "| truncated file | refuses | refuses |" in printed
    assert "AutoGluon" in printed and "| predictions | " in printed
