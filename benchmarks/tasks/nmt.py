"""Tasks from tables of machine translation (Zhang and Duh, TACL 2020; github.com/Este1le/hpo_nmt).

Six corpora, each with 118 to 767 Transformers, the value being the BLEU score on development data.
The corpora were searched over different ranges (vocabularies of 10,000 to 50,000 symbols here,
1,000 to 32,000 there), and so are the parameters of these tasks.

Parameters are suggested as numbers from the whole range. The value is that of the nearest
configuration that was trained: in Euclidean distance after each parameter's logarithm is scaled to
[0, 1] over its range on that corpus; of equally near ones the first in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
import functools
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import objectives_task
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import Reference
from benchmarks.tasks.task import single_task
from benchmarks.tasks.task import Task


NMT_SUITE = "nmt"
_CORPORA = ("en-ja", "ja-en", "ru-en", "so-en", "sw-en", "zh-en")
_NAMES = ("bpe_symbols", "num_layers", "num_embed", "num_hidden", "num_heads", "learning_rate")


class Corpus(NamedTuple):
    """All configurations trained on one corpus."""

    X: Array  # (n, 6) parameters, in the order of `_NAMES`
    Y: Array  # (n, 2) BLEU and GPU time

    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """Return the lowest and the highest value of each parameter."""
        lows, highs = self.X.min(axis=0).tolist(), self.X.max(axis=0).tolist()
        return dict(zip(_NAMES, zip(lows, highs, strict=True), strict=True))

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw every parameter from its range on this corpus."""
        params: dict[str, Any] = {}
        for name, (low, high) in self.ranges().items():
            if name == "learning_rate":
                params[name] = trial.suggest_float(name, low, high, log=True)
            else:
                params[name] = trial.suggest_int(name, int(low), int(high), log=True)
        return params

    def evaluate(self, params: Params) -> tuple[float, ...]:
        """Return BLEU and GPU time of the nearest configuration that was trained."""
        wanted = np.array([float(params[name]) for name in _NAMES])
        widths = np.log(self.X.max(axis=0) / self.X.min(axis=0))
        distances = np.linalg.norm(np.log(self.X / wanted) / widths, axis=1)
        return tuple(self.Y[np.argmin(np.round(distances, 9))].tolist())


def nmt_family(folder: Path, suite: str = NMT_SUITE) -> Family:
    """Return the six corpora of a folder of ``*.hyps`` and ``*.evals``, all priors to each other.

    The suite is ``nmt``, or ``nmt-2`` for BLEU and GPU time.
    """
    make = _bleu_task if suite == NMT_SUITE else _two_task
    load = functools.cache(lambda name: make(name, read_corpus(folder, name)))
    return Family(suite, suite, targets=_CORPORA, sources=_CORPORA, load=load)


def read_corpus(folder: Path, name: str) -> Corpus:
    """Read the table of one corpus."""
    evals = np.loadtxt(folder / f"{name}.evals")
    return Corpus(np.loadtxt(folder / f"{name}.hyps"), evals[:, :2])


def _bleu_task(name: str, corpus: Corpus) -> Task:
    bleu = corpus.Y[:, 0]
    reference = Reference(float(bleu.max()), float(np.median(bleu)))
    return single_task(
        name, "maximize", corpus.suggest, lambda p: corpus.evaluate(p)[0], lambda: reference
    )


def _two_task(name: str, corpus: Corpus) -> Task:
    return objectives_task(name, corpus.suggest, corpus.evaluate, lambda: front_of(corpus.Y))
