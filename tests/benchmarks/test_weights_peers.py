from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.weights import loading
from benchmarks.weights.__main__ import main


OURS, _, TORCH, LAX = loading.LOADERS[:4]
REFUSED = ("renamed", "wrong", "weights", "bit", "truncated")


@pytest.mark.parametrize("case", loading.CASES, ids=lambda case: case.name)
def test_ours_loads_what_fits_or_refuses(case: loading.Case, tmp_path: Path) -> None:
    told = "loads the rest, told" if case.concerned else "loads"
    wanted = "refuses" if case.name.startswith(REFUSED) else told
    assert loading.judge(OURS, case, tmp_path) == wanted


def test_verdicts_on_loaders_of_known_faults(tmp_path: Path) -> None:
    cases = {case.name: case for case in loading.CASES}

    def head_only(model: loading.Net, path: Path) -> tuple[loading.Net, str]:
        model.head.load_state_dict(loading.Net(seed=2).head.state_dict())
        return model, ""

    def failing(model: loading.Net, path: Path) -> tuple[loading.Net, str]:
        with torch.no_grad():
            model.norm.bias.add_(1.0)
        raise AttributeError("no")

    lazy = loading.Loader("torch", "x", lambda model, path: (model, ""))
    partial, broken = (loading.Loader("torch", "x", load) for load in (head_only, failing))
    plain = cases["nothing wrong"]
    assert loading.judge(lazy, plain, tmp_path) == "**loads nothing, silent**"
    assert loading.judge(partial, plain, tmp_path).startswith(
        "**loads all but embed.weight, hidden.weigh"
    )
    expected = "crashes without naming what (AttributeError), **model half loaded**"
    assert loading.judge(broken, plain, tmp_path) == expected
    assert loading.judge(lazy, cases["bit flip"], tmp_path) == "**loads damaged weights, silent**"
    for loader in (TORCH, LAX):
        found = loading.judge(loader, cases["head of another shape"], tmp_path)
        assert found == "refuses, **model half loaded**"
    state = loading.source_state()
    assert torch.equal(state["out.weight"], state["embed.weight"])  # They are tied.
    assert not torch.equal(state["hidden.weight"], loading.Net().hidden.weight)


def test_all_tables_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["peers", "--splits", "1"])
    printed, _, averaging = capsys.readouterr().out.partition("## Averaging")
    assert "| truncated file | refuses | refuses |" in printed and "AutoGluon" in printed
    gaps = [float(line.split("|")[2]) for line in averaging.strip().splitlines()[4:]]
    assert len(gaps) == 5 and max(gaps) <= 1e-6  # Averages equal torch's.
