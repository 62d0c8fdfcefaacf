"""What a new task makes of a checkpoint before any training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from torch import nn

from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import NewTask
from optuna_meta.weights.selection.preview import Preview
from optuna_meta.weights.selection.preview import preview_of
from tests.weights.toys import store_in


def network(outputs: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs))


class Tied(nn.Module):
    """Two layers of one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)
        self.last.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last(self.first(x))
        return y


class Masked(nn.Module):
    """An infinite mask among its buffers, and a state that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)
        self.scale: dict[str, float] = {"amax": 1.0}
        self.register_buffer("mask", torch.triu(torch.full((4, 4), -torch.inf), 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last((self.first(x)[:, None] + self.mask).softmax(-1).mean(1))
        return y

    def get_extra_state(self) -> dict[str, float]:
        return self.scale

    def set_extra_state(self, state: dict[str, float]) -> None:
        self.scale = state


def task(build: type[nn.Module] | None = None) -> NewTask:
    inputs = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    labels = inputs[:, :3].argmax(1)
    return NewTask(build or network, inputs, labels, nn.functional.cross_entropy)


def candidate(folder: Path, weights: nn.Module | Checkpoint) -> Candidate:
    store = store_in(folder)
    return Candidate(store.save(optuna.create_study().ask(), weights), 1.0, store)


def test_what_fits_is_copied_and_the_rest_stays_fresh() -> None:
    source = network(outputs=5)
    model = task().model(Checkpoint.from_model(source))
    assert torch.equal(model[0].weight, source[0].weight)  # type: ignore[index]
    assert model[2].weight.shape == (3, 8)  # type: ignore[index,union-attr]


def test_what_fits_nowhere_is_no_error_and_no_source(tmp_path: Path) -> None:
    """``least`` is the task's to judge: the start itself raises nothing."""
    other = Checkpoint.from_model(nn.Linear(2, 2))
    assert isinstance(task().model(other), nn.Sequential)
    found = preview_of(candidate(tmp_path, other), task())
    assert found == "another architecture: 0% of the parameters fit"
    lenient = replace(task(), least=0.0)
    assert isinstance(preview_of(candidate(tmp_path, other), lenient), Preview)


def test_what_is_infinite_in_a_fresh_model_too_is_a_source_and_what_is_not_is_none(
    tmp_path: Path,
) -> None:
    found = preview_of(candidate(tmp_path, Masked()), task(Masked))
    assert isinstance(found, Preview) and found.share == 1.0
    diverged = Masked()
    nn.init.constant_(diverged.first.bias, torch.inf)
    found = preview_of(candidate(tmp_path, diverged), task(Masked))
    assert found == "it diverged: first.bias is not finite"


def test_the_share_is_that_of_parameters(tmp_path: Path) -> None:
    found = preview_of(candidate(tmp_path, network(outputs=5)), task())
    assert isinstance(found, Preview) and found.share == pytest.approx(40 / 67)


def test_wrapped_names_and_lazy_layers_are_no_obstacle(tmp_path: Path) -> None:
    wrapped = {f"module.{name}": t for name, t in network().state_dict().items()}
    found = preview_of(candidate(tmp_path, Checkpoint(wrapped)), task())
    assert isinstance(found, Preview) and found.share == 1.0

    def lazy() -> nn.Sequential:
        return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))

    found = preview_of(candidate(tmp_path, network()), replace(task(), build=lazy))
    assert isinstance(found, Preview) and found.share == 1.0


def test_names_that_are_tied_and_differ_are_told(tmp_path: Path) -> None:
    state = {name: t.clone() for name, t in Tied().state_dict().items()}
    state["last.weight"] += 1.0
    found = preview_of(candidate(tmp_path, Checkpoint(state)), task(Tied))
    assert isinstance(found, str) and "one tensor in the model and two that differ" in found


def test_eight_bits_are_enough(tmp_path: Path) -> None:
    """Torch does not say of them whether they are finite."""
    state = {name: t.to(torch.float8_e4m3fn) for name, t in network().state_dict().items()}
    found = preview_of(candidate(tmp_path, Checkpoint(state)), task())
    assert isinstance(found, Preview) and found.share == 1.0
    assert torch.equal(found.model.state_dict()["0.weight"], state["0.weight"].float())


def test_a_start_without_a_report_is_judged_by_names_and_shapes(tmp_path: Path) -> None:
    own = replace(task(), start=lambda model, checkpoint: None)
    found = preview_of(candidate(tmp_path, network(outputs=5)), own)
    assert isinstance(found, Preview) and found.share == pytest.approx(40 / 67)
    strict = replace(own, least=0.6)
    found = preview_of(candidate(tmp_path, network(outputs=5)), strict)
    assert found == "another architecture: 60% of the parameters fit"
