"""Trials in the real ``Trainer`` of Lightning."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import TensorDataset


lightning = pytest.importorskip("lightning")

from optuna_meta.weights import initialize  # noqa: E402
from optuna_meta.weights.integrations import LightningCallback  # noqa: E402
from tests.weights.integrations.toys import assert_equal  # noqa: E402
from tests.weights.integrations.toys import continued  # noqa: E402
from tests.weights.integrations.toys import Stopped  # noqa: E402
from tests.weights.toys import store_in  # noqa: E402


# What Lightning says of itself and of small data.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec", "ignore:.*does not have many workers", "ignore:.*number of training batch"
)


class Module(lightning.LightningModule):  # type: ignore[misc]
    def __init__(
        self, rate: float = 1e-2, stop_after: int | None = None, plateau: bool = False
    ) -> None:
        super().__init__()
        self.plateau = plateau
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(8, 1)
        self.rate, self.stop_after = rate, stop_after

    def loss(self, batch: Any) -> torch.Tensor:
        return nn.functional.mse_loss(self.head(self.net(batch[0])), batch[1])

    def training_step(self, batch: Any, i: int) -> torch.Tensor:
        if self.stop_after is not None and self.current_epoch >= self.stop_after and i == 1:
            raise Stopped
        return self.loss(batch)

    def validation_step(self, batch: Any, i: int) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate)
        if self.plateau:  # Which is never content, and halves the rate each time.
            scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=0.5, patience=0, threshold=1e9, threshold_mode="abs"
            )
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"},
            }
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)]


def loaders() -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(24, 4, generator=generator)
    data = TensorDataset(x, x.sum(1, keepdim=True))
    return DataLoader(data, 8, shuffle=True), DataLoader(data, 24)


def fit(module: Any, callback: Any, *others: Any, epochs: int = 4) -> Any:
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        callbacks=[callback, *others],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, *loaders(), ckpt_path=callback.resume(module))
    return trainer


@pytest.mark.parametrize("plateau", [False, True])
def test_a_resumed_training_equals_the_uninterrupted_one(tmp_path: Path, plateau: bool) -> None:
    store, steps = store_in(tmp_path), []

    def objective(trial: optuna.Trial, stop: int | None) -> nn.Module:
        torch.manual_seed(0)
        module = Module(trial.params["rate"], stop, plateau)
        torch.manual_seed(trial.number if stop is None else 0)
        trainer = fit(module, LightningCallback(trial, store))
        steps.append((trainer.global_step, trainer.optimizers[0].param_groups[0]["lr"]))
        return module

    whole, resumed, study = continued(objective, stop_after=2)
    rate = 1e-2 * (0.5**3 if plateau else 0.7**4)  # The first value is always a gain.
    assert steps == [(12, pytest.approx(rate))] * 2
    assert_equal(whole, resumed)
    assert sorted(study.trials[0].intermediate_values) == [0, 1]
    assert sorted(study.trials[1].intermediate_values) == [2, 3]
    assert [record.step for record in store.records(study)].count(12) == 1


@pytest.mark.parametrize("epochs", [1, 2])
def test_early_stopping_goes_on_to_count(tmp_path: Path, epochs: int) -> None:
    """Of a loss that is to rise and falls, each is a miss but the first."""
    store, ends = store_in(tmp_path), []

    def objective(trial: optuna.Trial, stop: int | None) -> nn.Module:
        torch.manual_seed(0)
        module = Module(trial.params["rate"], stop)
        torch.manual_seed(trial.number if stop is None else 0)
        patience = lightning.pytorch.callbacks.EarlyStopping(
            "val_loss", mode="max", check_on_train_epoch_end=False
        )  # Elsewhere Lightning calls it behind all others, when the epoch has been saved.
        trainer = fit(module, LightningCallback(trial, store), patience, epochs=8)
        ends.append((trainer.global_step, patience.wait_count))
        return module

    whole, resumed, _ = continued(objective, stop_after=epochs)
    assert ends == [(12, 3), (12, 3)]
    assert_equal(whole, resumed)


def test_it_starts_from_a_checkpoint_and_tells(tmp_path: Path) -> None:
    store, prior = store_in(tmp_path), optuna.create_study(study_name="prior")
    prior.optimize(lambda trial: store.save(trial, Module(), value=0.1).value or 0.0, 1)
    source, study = store.load(store.records(prior)[0]), optuna.create_study()
    module = Module(rate=0.0)
    start_by = partial(initialize, head=["head"])
    fit(module, LightningCallback(study.ask(), store, start=source, start_by=start_by), epochs=1)
    assert torch.equal(module.state_dict()["net.0.weight"], source.state["net.0.weight"])
    assert not torch.equal(module.state_dict()["head.weight"], source.state["head.weight"])
    assert study.trials[0].user_attrs["optuna_meta:weights_from"]["left_out"] == 2


def test_it_prunes_with_the_checkpoint_saved_and_tells_what_is_not_logged(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=0.0))
    study.optimize(lambda trial: bool(fit(Module(), LightningCallback(trial, store))), 1)
    assert study.trials[0].state == optuna.trial.TrialState.PRUNED
    (record,) = store.records(study)
    assert record.step == 3 and record.value == study.trials[0].intermediate_values[0]
    with pytest.raises(ValueError, match="no metric 'val_f1' .* val_loss"):
        fit(Module(), LightningCallback(study.ask(), store, monitor="val_f1"))
