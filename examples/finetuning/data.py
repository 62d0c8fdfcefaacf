"""Sentences and their classes, as NLTK packs its corpora, and the tasks that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
import re
from typing import NamedTuple
import zipfile

import numpy as np
import torch
from torch import Tensor

from examples.common import Task
from examples.finetuning.pretrained import Base
from examples.finetuning.pretrained import MOST_TOKENS


Texts = Mapping[str, Sequence[str]]  # by their class


@dataclass(frozen=True)
class Part:
    """Examples: what they say, and the numbers that a model takes by name."""

    texts: Sequence[str]
    tensors: Mapping[str, Tensor]  # input_ids and attention_mask (n, tokens), labels (n,)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {name: tensor[i] for name, tensor in self.tensors.items()}


class Split(NamedTuple):
    """A task's examples to train on, validate by and test with, and the model that they get.

    Args:
        train: To learn from.
        valid: To choose by.
        test: To report on.
        n_classes: How many classes there are.
        base: The pretrained model.
        layers: How many of its layers are used, the first ones.
    """

    train: Part
    valid: Part
    test: Part
    n_classes: int
    base: Base
    layers: int


def nltk_corpora(folder: Path) -> dict[str, Texts]:
    """Read four of NLTK's corpora out of their zip files: sentences by class."""

    def lines(corpus: str, path: str) -> list[str]:
        (found,) = folder.rglob(f"{corpus}.zip")
        with zipfile.ZipFile(found) as archive:
            text = archive.read(f"{corpus}/{path}").decode("latin-1")
        return [re.sub(r"<[^>]*>", "", line).strip() for line in text.splitlines() if line.strip()]

    questions: dict[str, list[str]] = {}
    for line in lines("qc", "train.txt"):
        label, question = line.split(" ", 1)
        questions.setdefault(label.partition(":")[0], []).append(question)
    two = {
        "polarity": ("sentence_polarity", "rt-polarity.neg", "rt-polarity.pos"),
        "subjectivity": ("subjectivity", "plot.tok.gt9.5000", "quote.tok.gt9.5000"),
        "pros and cons": ("pros_cons", "IntegratedCons.txt", "IntegratedPros.txt"),
    }
    corpora: dict[str, Texts] = {
        name: {path: lines(corpus, path) for path in paths}
        for name, (corpus, *paths) in two.items()
    }
    return corpora | {"questions": {k: v for k, v in questions.items() if len(v) > 500}}


def descriptions() -> dict[str, Texts]:
    """Return lines of the descriptions of scikit-learn's data sets, by the data set: a sample."""

    def lines(name: str) -> list[str]:
        text = files("sklearn.datasets.descr").joinpath(f"{name}.rst").read_text("utf-8")
        return [line.strip() for line in text.splitlines() if len(line.split()) > 4]

    pairs = {
        "faces or news": ("lfw", "twenty_newsgroups"),
        "tumours or attacks": ("breast_cancer", "kddcup99"),
        "houses or papers": ("california_housing", "rcv1"),
    }
    return {task: {name: lines(name) for name in pair} for task, pair in pairs.items()}


def task(
    name: str,
    texts: Texts,
    base: Base,
    layers: int,
    sizes: tuple[int, int, int],
    *,
    shuffled: bool = False,
) -> Task:
    """Make a task of some sentences.

    Args:
        name: Its name.
        texts: The sentences.
        base: The pretrained model, which makes numbers of them, too.
        layers: How many of its layers are used.
        sizes: How many to train on, to validate by and to test with.
        shuffled: Whether sentences get each other's classes, so that there is nothing to learn.
    """
    rng = np.random.default_rng(0)
    pairs = [(text, k) for k, own in enumerate(texts.values()) for text in own]
    drawn = [pairs[i] for i in rng.permutation(len(pairs))[: sum(sizes)]]
    labels = np.array([label for _, label in drawn])
    labels = rng.permutation(labels) if shuffled else labels
    parts: list[Part] = []
    for first, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        own = [text for text, _ in drawn[first : first + size]]
        options = {"padding": "max_length", "truncation": True, "max_length": MOST_TOKENS}
        tensors = dict(base.tokenizer()(own, return_tensors="pt", **options))
        tensors["labels"] = torch.tensor(labels[first : first + size])
        parts.append(Part(own, tensors))
    train, valid, test = parts
    split = Split(train, valid, test, len(texts), base, layers)
    return Task(f"{name}{', shuffled' if shuffled else ''}, layers {layers}", split)
