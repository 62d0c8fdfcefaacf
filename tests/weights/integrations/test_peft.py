"""Adapters of PEFT: saved alone, under PEFT's own names, ranked and resumed like others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn


peft = pytest.importorskip("peft")
pytest.importorskip("transformers")

from optuna_meta.weights import average  # noqa: E402
from optuna_meta.weights import Checkpoint  # noqa: E402
from optuna_meta.weights import find_checkpoints  # noqa: E402
from optuna_meta.weights import initialize  # noqa: E402
from optuna_meta.weights import NewTask  # noqa: E402
from optuna_meta.weights import rank_checkpoints  # noqa: E402
from optuna_meta.weights import ShortlistThenTrain  # noqa: E402
from optuna_meta.weights import ShortTraining  # noqa: E402
from tests.weights.integrations.models import batch_for  # noqa: E402
from tests.weights.integrations.models import bert  # noqa: E402
from tests.weights.integrations.models import train  # noqa: E402
from tests.weights.toys import store_in  # noqa: E402


pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")


def adapted(name: str = "default", seed: int = 0) -> Any:
    """A frozen BERT, the same each time, with an adapter and a head that are trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        base = bert()
    config = peft.LoraConfig(
        task_type="SEQ_CLS", r=2, target_modules=["query", "value"], modules_to_save=["classifier"]
    )
    torch.manual_seed(seed)
    return peft.get_peft_model(base, config, adapter_name=name)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return train(adapted(), "bert", rate=2e-2)


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(**batch_for("bert")).logits
    return found


@pytest.mark.parametrize("name", ["default", "mine"])
def test_the_names_are_those_of_peft(trained: nn.Module, name: str) -> None:
    checkpoint = Checkpoint.from_model(trained, trainable_only=True)
    own = peft.get_peft_model_state_dict(trained)
    assert checkpoint.state.keys() == own.keys()
    assert all(torch.equal(checkpoint.state[n], tensor) for n, tensor in own.items())
    by_peft, by_us = adapted(name, seed=1), adapted(name, seed=2)
    peft.set_peft_model_state_dict(by_peft, dict(checkpoint.state), adapter_name=name)
    report = initialize(by_us, checkpoint, partial="error")
    assert report.share_of_wanted == 1.0
    assert torch.equal(logits(by_peft), logits(trained))
    assert torch.equal(logits(by_us), logits(trained))


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])


def test_the_file_is_small_and_a_trial_goes_on_from_it(trained: nn.Module, tmp_path: Path) -> None:
    store, study = store_in(tmp_path), optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("rate", 0.0, 1.0)
        optimizer = optimizer_of(trained)
        saved = store.save(trial, trained, value=1.0, optimizer=optimizer, trainable_only=True)
        Checkpoint.from_model(trained).save_file(tmp_path / "whole")
        assert saved.weights.n_bytes < (tmp_path / "whole").stat().st_size / 3
        raise optuna.TrialPruned

    study.optimize(objective, 1)
    study.enqueue_trial(study.trials[0].params)
    new = adapted(seed=5)
    assert store.resume(study.ask(), new, optimizer_of(new)) is not None
    assert torch.equal(logits(new), logits(trained))


def test_adapters_are_ranked_and_averaged(trained: nn.Module, tmp_path: Path) -> None:
    store, study = store_in(tmp_path), optuna.create_study(study_name="prior")
    for model in (adapted(seed=3), trained):
        trial = study.ask()
        store.save(trial, model, value=1.0, trainable_only=True)
        study.tell(trial, 1.0)
    quick = ShortlistThenTrain(short_training=ShortTraining(10, 2, [3e-3], divisions=1))
    candidates = find_checkpoints([study], store)
    ranking = rank_checkpoints(candidates, NewTask(adapted, batch_for("bert")), strategy=quick)
    assert ranking.best is not None and ranking.best.record.trial == 1
    mean = average([ranking.best, ranking.best])
    new = adapted(seed=8)
    assert initialize(new, mean).share_of_wanted == 1.0
    assert torch.equal(logits(new), logits(trained))


def test_a_frozen_body_of_any_model_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    checkpoint = Checkpoint.from_model(model, trainable_only=True)
    assert [name for name in checkpoint.state if name.startswith("0.")] == []
    assert "1.running_mean" in checkpoint.state and "2.bias" in checkpoint.state
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing trained"):
        Checkpoint.from_model(model, trainable_only=True)
