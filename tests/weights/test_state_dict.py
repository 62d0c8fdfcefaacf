"""What may be passed where weights are wanted."""

from __future__ import annotations

from pathlib import Path
import re

import pytest
import torch
from torch import nn

from optuna_meta.weights import align
from optuna_meta.weights import average
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import greedy_soup
from optuna_meta.weights import initialize
from optuna_meta.weights import learn_weights
from optuna_meta.weights.state_dict import opened
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


@pytest.fixture
def candidates(tmp_path: Path) -> list[Candidate]:
    store = store_in(tmp_path / "artifacts")
    return find_checkpoints([saved(store, [0.25, 0.75])], store)


def test_a_candidate_is_loaded_where_a_checkpoint_is_wanted(candidates: list[Candidate]) -> None:
    best, other = candidates
    model = linear()
    report = initialize(model, best)
    assert report.origins[0].trial == best.record.trial == 0 and report.share == 1.0
    assert model.weight.unique().tolist() == [0.25]
    mean = average(iter(candidates))
    assert mean.state["weight"].unique().tolist() == [0.5]
    assert [origin["trial"] for origin in mean.metadata.extra["origins"]] == [0, 1]
    soup = greedy_soup(candidates, lambda c: -float(c.state["weight"].sum()))
    assert soup.weights == (1.0, 0.0) and soup.checkpoint.state["bias"].tolist() == [0.25]
    x = torch.ones(2, 3)
    weights = learn_weights(
        linear(), candidates, [x], lambda predict, x: predict(x).square().mean(), steps=5
    )
    assert weights[0] > weights[1]
    aligned = align(nn.Sequential(nn.Linear(3, 1)), {"0.weight": x}, {"0.weight": x})
    assert torch.equal(aligned["0.weight"], x)


def test_a_candidate_is_read_once(candidates: list[Candidate], tmp_path: Path) -> None:
    class Counting:
        n = 0

        def load(self) -> Checkpoint:
            self.n += 1
            return candidates[0].load()

    source = Counting()
    initialize(linear(), source)
    average([source])
    assert source.n == 2


def test_a_model_or_a_record_is_refused_with_advice(candidates: list[Candidate]) -> None:
    advice = r"got a Linear: pass Checkpoint.from_model(model), or its state_dict()"
    with pytest.raises(ValueError, match=re.escape(advice)):
        initialize(linear(), linear())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape(advice)):
        average([linear()])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="got a CheckpointRecord: load its checkpoint"):
        initialize(linear(), candidates[0].record)  # type: ignore[arg-type]
    assert opened({}) == {}


def test_the_meta_device_has_no_weights_to_copy_from_or_to() -> None:
    empty = nn.Linear(3, 1, device="meta")
    for use in (
        lambda: Checkpoint.from_model(empty),
        lambda: average([empty.state_dict()]),
        lambda: initialize(linear(), empty.state_dict()),
    ):
        with pytest.raises(ValueError, match="'weight' on the meta device: load them"):
            use()
    with pytest.raises(ValueError, match="The model must have memory, got 'weight'"):
        initialize(empty, linear(0.5).state_dict())
    made = empty.to_empty(device="cpu")
    initialize(made, linear(0.5).state_dict())
    assert made.weight.unique().tolist() == [0.5]
