"""Adapters of a language model, what is tuned of them, and how they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import optuna
import peft
import torch
from torch import nn
import transformers

from examples.common import Job
from examples.common import Options
from examples.common import Task
from examples.finetuning.data import Split
from examples.finetuning.pretrained import quiet
from examples.finetuning.pretrained import silent
from optuna_meta import extract_meta_features
from optuna_meta import weights
from optuna_meta.weights.integrations import TransformersCallback


EPOCHS = 3
MOST_RANK = 16
HEAD = ["*classifier*"]  # Its outputs are other classes in each task.


def build(split: Split, rank: int, dropout: float = 0.0) -> Any:
    """Return the pretrained model with a fresh adapter and head."""
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=rank,  # So that adapters of any rank count the same.
        lora_dropout=dropout,
        target_modules=["query", "value"],
        modules_to_save=["classifier"],
    )
    return peft.get_peft_model(split.base.classifier(split.layers, split.n_classes), config)


def start_from(model: nn.Module, checkpoint: weights.Checkpoint) -> weights.InitReport:
    """Copy an adapter into one of another rank: what more there is does nothing at first."""
    layers = model.get_submodule("base_model.model").config.num_hidden_layers  # type: ignore[union-attr]
    if f"layers {layers}" not in checkpoint.metadata.tags:
        raise ValueError(f"It is of another model: {layers} layers are wanted.")
    return weights.initialize(model, checkpoint, head=HEAD, partial="overlap", least=0.0)


def objective(trial: optuna.Trial, job: Job) -> float:
    """Train an adapter as the trial says; its value is the loss on the examples to validate by."""
    torch.manual_seed(trial.number)
    data: Split = job.task.data
    start = weights.suggest_start(trial, job.starts) if job.starts else None
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
    how: Any = {"start": start, "start_by": start_from, "trainable_only": True}
    how["tags"] = [f"layers {data.layers}"]
    callback = TransformersCallback(trial, job.store, **how)
    model = build(data, rank, dropout)
    parts = model, arguments, None, data.train, data.valid
    trainer = silent(transformers.Trainer(*parts, callbacks=[callback]))
    trainer.train(resume_from_checkpoint=callback.resume(trainer))
    return float(trainer.evaluate()["eval_loss"])


def features(task: Task) -> dict[str, float]:
    """Return what a task's sentences are like, and how large its model is."""
    data: Split = task.data
    labels = data.train.tensors["labels"].tolist()
    return extract_meta_features(data.train.texts, labels, extra={"layers": float(data.layers)})


def new_task(
    task: Task, candidates: Sequence[weights.Candidate], options: Options
) -> tuple[weights.NewTask, int]:
    """Return what prior adapters are ranked on, and how many steps the study will train."""
    examples = task.data.train
    widest = partial(build, task.data, MOST_RANK)
    target = weights.NewTask(widest, dict(examples.tensors), start=start_from, least=0.0)
    return target, options.trials * EPOCHS * len(examples) // 16


@torch.no_grad()
def final(checkpoints: Sequence[weights.Checkpoint], job: Job) -> dict[str, float]:
    """Test an ensemble that the examples to validate by chose."""
    data: Split = job.task.data
    models = []
    for checkpoint in checkpoints:
        model = build(data, checkpoint.metadata.params["rank"])
        weights.initialize(model, checkpoint)
        models.append(model.to(job.options.device))
    shares = weights.greedy_weights(*weights.predict_all(models, [dict(data.valid.tensors)]))
    ensemble = weights.Ensemble(models, shares).eval()
    inputs = {name: tensor.to(job.options.device) for name, tensor in data.test.tensors.items()}
    labels = inputs.pop("labels")
    right = ensemble(**inputs)["logits"].argmax(dim=1) == labels
    return {"test accuracy": float(right.float().mean())}
