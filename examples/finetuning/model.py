"""Adapters of a language model, what is tuned of them, and how they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import peft
import torch
from torch import nn
import transformers

from examples.common import Job
from examples.common import Options
from examples.common import Task
from examples.finetuning.data import Part
from examples.finetuning.data import Split
from examples.finetuning.pretrained import quiet
from examples.finetuning.pretrained import silent
from optuna_meta import extract_meta_features
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import Ensemble
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import initialize
from optuna_meta.weights import InitReport
from optuna_meta.weights import NewTask
from optuna_meta.weights import predict_all
from optuna_meta.weights import suggest_start
from optuna_meta.weights.integrations import TransformersCallback


EPOCHS = 3
MOST_RANK = 16
HEAD = ["*classifier*"]  # Its outputs are other classes in each task.


def build(split: Split, folder: Path, rank: int, dropout: float = 0.0) -> Any:
    """Return the pretrained model with a fresh adapter and head."""
    pretrained = folder / f"pretrained, hidden {split.scale.hidden}"
    base = transformers.AutoModelForSequenceClassification.from_pretrained(
        pretrained, num_labels=split.n_classes
    )
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=rank,  # So that adapters of any rank count the same.
        lora_dropout=dropout,
        target_modules="all-linear",
        modules_to_save=["classifier"],
    )
    return peft.get_peft_model(base, config)


def start_from(model: nn.Module, checkpoint: Checkpoint) -> InitReport:
    """Copy an adapter into one of another rank: what more there is does nothing at first."""
    hidden = model.get_submodule("base_model.model").config.hidden_size  # type: ignore[union-attr]
    if f"hidden {hidden}" not in checkpoint.metadata.tags:
        raise ValueError(f"It is of another model: {hidden} hidden units are wanted.")
    return initialize(model, checkpoint, head=HEAD, partial="overlap", least=0.0)


def objective(trial: optuna.Trial, job: Job) -> float:
    """Train an adapter as the trial says; its value is the loss on the examples to validate by."""
    torch.manual_seed(trial.number)
    data: Split = job.task.data
    start = suggest_start(trial, job.starts) if job.starts else None
    rank = trial.suggest_int("rank", 1, MOST_RANK, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    batch = trial.suggest_categorical("batch size", [8, 16, 32])
    steps = EPOCHS * -(-len(data.train) // batch)
    arguments = transformers.TrainingArguments(
        str(job.options.folder / "trainer"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=250,
        learning_rate=trial.suggest_float("learning rate", 1e-4, 1e-1, log=True),
        lr_scheduler_type=trial.suggest_categorical("schedule", ["constant", "linear", "cosine"]),
        warmup_steps=round(trial.suggest_float("warmup", 0.0, 0.4) * steps),
        weight_decay=trial.suggest_float("weight decay", 1e-5, 1.0, log=True),
        eval_strategy="epoch",
        seed=trial.number,
        **quiet(job.options),
    )
    callback = TransformersCallback(
        trial,
        job.store,
        start=start,
        start_by=start_from,
        tags=[f"hidden {data.scale.hidden}"],
        trainable_only=True,
    )
    model = build(data, job.options.folder, rank, dropout)
    trainer = silent(
        transformers.Trainer(model, arguments, None, data.train, data.valid, callbacks=[callback])
    )
    trainer.train(resume_from_checkpoint=callback.resume(trainer))
    return float(trainer.evaluate()["eval_loss"])


def features(task: Task) -> dict[str, float]:
    """Return what a task's sentences are like, and how large its model is."""
    data: Split = task.data
    labels = data.train.tensors["labels"].tolist()
    scale = {"hidden": float(data.scale.hidden), "layers": float(data.scale.layers)}
    return extract_meta_features(data.train.texts, labels, extra=scale)


def new_task(task: Task, candidates: Sequence[Candidate], options: Options) -> tuple[NewTask, int]:
    """Return what prior adapters are ranked on, and how many steps the study will train."""
    data: Split = task.data
    target = NewTask(
        partial(build, data, options.folder, MOST_RANK),
        dict(data.train.tensors),
        start=start_from,
        least=0.0,
    )
    return target, options.trials * EPOCHS * len(data.train) // 16


def final(checkpoints: Sequence[Checkpoint], job: Job) -> dict[str, float]:
    """Test an ensemble that the examples to validate by chose."""
    data: Split = job.task.data
    models = []
    for checkpoint in checkpoints:
        model = build(data, job.options.folder, checkpoint.metadata.params["rank"])
        initialize(model, checkpoint)
        models.append(model.to(job.options.device))
    shares = greedy_weights(*predict_all(models, [dict(data.valid.tensors)]))
    return {
        "test accuracy": accuracy(Ensemble(models, shares).eval(), data.test, job.options.device)
    }


@torch.no_grad()
def accuracy(model: nn.Module, part: Part, device: str) -> float:
    """Return the share of examples that are told right."""
    inputs = {name: tensor.to(device) for name, tensor in part.tensors.items()}
    labels = inputs.pop("labels")
    return float((model(**inputs)["logits"].argmax(dim=1) == labels).float().mean())
