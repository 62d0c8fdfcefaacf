from __future__ import annotations

import copy
import pickle

import pytest
import torch

from optuna_meta.weights.fine_tuning.freeze import freeze
from optuna_meta.weights.fine_tuning.freeze import linear_probe
from tests.weights.fine_tuning.toys import changed
from tests.weights.fine_tuning.toys import copied
from tests.weights.fine_tuning.toys import network
from tests.weights.fine_tuning.toys import train


BODY = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}


def test_what_is_frozen_does_not_change_statistics_included() -> None:
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    train(model, optimiser=optimiser)
    before = copied(model)
    frozen = freeze(model, ["0", "1.*"])
    assert frozen.names == ("0.weight", "0.bias", "1.weight", "1.bias")
    train(model, optimiser=optimiser)
    assert changed(model, before) == {"3.weight", "3.bias", "4.weight", "4.bias"}
    frozen.release()
    train(model, optimiser=optimiser)
    assert changed(model, before) >= BODY


def test_a_linear_probe_trains_the_head_alone() -> None:
    model = network()
    model[3].bias.requires_grad_(False)  # type: ignore[union-attr]
    before = copied(model)
    with linear_probe(model, head=["4"]):
        pickle.dumps(copy.deepcopy(model))
        train(model)
    assert changed(model, before) == {"4.weight", "4.bias"}
    assert model.training and all(module.training for module in model.modules())
    train(model)
    assert changed(model, before) >= BODY and "3.bias" not in changed(model, before)


@pytest.mark.parametrize("function", [freeze, linear_probe])
def test_patterns_that_match_nothing_are_refused(function: type) -> None:
    with pytest.raises(ValueError, match="No parameter matches .*absent.*0.weight"):
        function(network(), ["absent"])
