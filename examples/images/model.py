"""A convolutional network, what is tuned of it, and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from typing import Any

import optuna
import torch
from torch import nn
from torch import Tensor

from examples.common import Job
from examples.common import Options
from examples.common import Task
from examples.images.data import Split
from optuna_meta import extract_meta_features
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import Ensemble
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import initialize
from optuna_meta.weights import InitReport
from optuna_meta.weights import NewTask
from optuna_meta.weights import predict_all
from optuna_meta.weights import record_lineage
from optuna_meta.weights import suggest_start


EPOCHS = 5
HEAD = ["head.*"]  # Its outputs are other classes in each task.


class Network(nn.Module):
    """Blocks of convolution, normalisation and pooling; a mean over positions; a linear head.

    Images may have any size.
    """

    def __init__(self, channels: int, n_classes: int, depth: int, width: int) -> None:
        super().__init__()
        self.channels, self.n_classes = channels, n_classes
        self.dropout = nn.Dropout(0.0)
        self.build(depth, width)

    def build(self, depth: int, width: int) -> None:
        """Make the layers anew, in another depth and width."""
        widths = [self.channels, *(width * 2**i for i in range(depth))]
        self.blocks = nn.Sequential(*map(block, widths, widths[1:]))
        self.head = nn.Linear(widths[-1], self.n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, channels, height, width)."""
        logits: Tensor = self.head(self.dropout(self.blocks(images).mean(dim=(2, 3))))
        return logits


def block(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
    )


def new_network(data: Split, shape: Mapping[str, Any]) -> Network:
    """Return a network of the depth and width that hyperparameters say, where the data are."""
    images = data.train[0]
    network = Network(images.shape[1], data.n_classes, shape["depth"], shape["width"])
    return network.to(images.device)


def start_from(model: nn.Module, checkpoint: Checkpoint) -> InitReport:
    """Give a network the checkpoint's depth, width and weights, but for its head."""
    assert isinstance(model, Network)
    device = next(model.parameters()).device
    model.build(checkpoint.metadata.extra["depth"], checkpoint.metadata.extra["width"])
    return initialize(model.to(device), checkpoint, head=HEAD)


def objective(trial: optuna.Trial, job: Job) -> float:
    """Train a network as the trial says; its value is the validation accuracy."""
    torch.manual_seed(trial.number)
    data: Split = job.task.data
    start = suggest_start(trial, job.starts) if job.starts else None
    if start is None:
        depth = trial.suggest_int("depth", 1, 3)
        shape = {"depth": depth, "width": trial.suggest_int("width", 4, 16, log=True)}
        model = new_network(data, shape)
    else:  # Its depth and width are those of the earlier network.
        shape = {name: start.metadata.extra[name] for name in ("depth", "width")}
        model = new_network(data, shape)
        record_lineage(trial, start_from(model, start))
    model.dropout.p = trial.suggest_float("dropout", 0.0, 0.5)
    optimizer = suggest_optimizer(trial, model)
    size = trial.suggest_categorical("batch size", [16, 32, 64])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    value = 0.0
    for epoch in range(EPOCHS):
        train(model, optimizer, data.train, size, job.options)
        schedule.step()
        value = accuracy(model, data.valid, job.options)
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    job.store.save(trial, model, value=value, extra=shape)
    return value


def suggest_optimizer(trial: optuna.Trial, model: nn.Module) -> torch.optim.Optimizer:
    """Suggest how to descend; momentum is for stochastic gradient descent alone."""
    name = trial.suggest_categorical("optimizer", ["sgd", "adamw"])
    decay = trial.suggest_float("weight decay", 1e-6, 1e-1, log=True)
    if name == "adamw":
        lr = trial.suggest_float("adamw lr", 1e-5, 1e-1, log=True)
        return torch.optim.AdamW(model.parameters(), lr, weight_decay=decay)
    lr = trial.suggest_float("sgd lr", 1e-4, 1.0, log=True)
    momentum = trial.suggest_float("momentum", 0.0, 0.99)
    return torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=decay)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor],
    size: int,
    options: Options,
) -> None:
    """Go once through images, in batches of some size."""
    images, labels = data
    model.train()
    for rows in torch.split(torch.randperm(len(images), device=images.device), size):
        optimizer.zero_grad()
        with options.autocast():
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        torch.autograd.backward(loss)
        optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, data: tuple[Tensor, Tensor], options: Options) -> float:
    """Return the share of images that are told right."""
    images, labels = data
    model.eval()
    with options.autocast():
        outputs = torch.cat([model(rows) for rows in torch.split(images, 500)])
    return share_right(outputs, labels)


def share_right(outputs: Tensor, labels: Tensor) -> float:
    """Return the share of rows (n, classes) whose greatest output is that of the label (n,)."""
    return float((outputs.argmax(dim=1) == labels).float().mean())


def features(task: Task) -> dict[str, float]:
    """Return what a task's images are like."""
    images, labels = task.data.train
    return extract_meta_features(images.cpu().numpy(), labels.cpu().numpy())


def new_task(task: Task, candidates: Sequence[Candidate], options: Options) -> tuple[NewTask, int]:
    """Return what prior networks are ranked on, and how many steps the study will train."""
    shape = candidates[0].load().metadata.extra
    images, labels = task.data.train
    build = partial(new_network, task.data, shape)
    target = NewTask(
        build, images, labels, nn.functional.cross_entropy, share_right, start=start_from
    )
    return target, options.trials * EPOCHS * len(images) // 32


def final(checkpoints: Sequence[Checkpoint], job: Job) -> dict[str, float]:
    """Test an ensemble that validation images chose."""
    data: Split = job.task.data
    models = []
    for checkpoint in checkpoints:
        model = new_network(data, checkpoint.metadata.extra)
        initialize(model, checkpoint)
        models.append(model)
    shares = greedy_weights(*predict_all(models, [data.valid]))
    return {"test accuracy": accuracy(Ensemble(models, shares), data.test, job.options)}
