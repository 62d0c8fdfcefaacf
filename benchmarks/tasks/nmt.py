"""Tasks from tables of machine translation (Zhang and Duh, TACL 2020; github.com/Este1le/hpo_nmt).

Six corpora, each with 118 to 767 Transformers, the value being the BLEU score on development data.
The corpora were searched over different ranges (vocabularies of 10,000 to 50,000 symbols here,
1,000 to 32,000 there), and so are the parameters of these tasks.

Parameters are suggested as numbers from the whole range. The value is that of the nearest
configuration that was trained: in Euclidean distance after each parameter's logarithm is scaled to
[0, 1] over its range on that corpus; of equally near ones the first in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import functools
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna

from benchmarks.tasks.objectives import Front
from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import ObjectivesTask
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import Reference
from benchmarks.tasks.task import Task


__all__ = ["NMT_SUITE", "Corpus", "nmt_family", "nmt_objectives", "read_corpus"]

NMT_SUITE = "nmt"
_CORPORA = ("en-ja", "ja-en", "ru-en", "so-en", "sw-en", "zh-en")
_NAMES = ("bpe_symbols", "num_layers", "num_embed", "num_hidden", "num_heads", "learning_rate")


class Corpus(NamedTuple):
    """All configurations trained on one corpus."""

    X: NDArray[np.float64]  # (n, 6) parameters, in the order of `_NAMES`
    values: NDArray[np.float64]  # (n,) BLEU
    times: NDArray[np.float64]  # (n,) GPU time

    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest value of each parameter."""
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

    def evaluate(self, params: Params) -> float:
        """BLEU of the nearest configuration that was trained."""
        return float(self.values[self.nearest(params)])

    def evaluate_both(self, params: Params) -> tuple[float, float]:
        """BLEU and GPU time of the nearest configuration that was trained."""
        i = self.nearest(params)
        return float(self.values[i]), float(self.times[i])

    def nearest(self, params: Params) -> int:
        """Index of the nearest configuration that was trained."""
        wanted = np.array([float(params[name]) for name in _NAMES])
        widths = np.log(self.X.max(axis=0) / self.X.min(axis=0))
        distances = np.linalg.norm(np.log(self.X / wanted) / widths, axis=1)
        return int(np.argmin(np.round(distances, 9)))

    def reference(self) -> Reference:
        """Best and median over all configurations."""
        return Reference(float(self.values.max()), float(np.median(self.values)))

    def front(self) -> Front:
        """Reference point and hypervolume of all configurations, by BLEU and GPU time."""
        return front_of(np.stack([self.values, self.times], axis=1))


def nmt_family(folder: Path) -> Family:
    """The six corpora; each has all others as priors.

    Args:
        folder:
            Folder with the ``*.hyps`` and ``*.evals`` files.
    """
    return _family(NMT_SUITE, functools.partial(_load_task, folder))


def nmt_objectives(folder: Path) -> Family:
    """BLEU and GPU time of the same corpora."""
    return _family("nmt-2", functools.partial(_load_objectives, folder))


def read_corpus(folder: Path, name: str) -> Corpus:
    """The table of one corpus."""
    results = np.loadtxt(folder / f"{name}.evals")
    return Corpus(np.loadtxt(folder / f"{name}.hyps"), results[:, 0], results[:, 1])


def _family(name: str, load: Callable[[str], Task]) -> Family:
    return Family(name, name, targets=_CORPORA, sources=_CORPORA, load=functools.cache(load))


def _load_task(folder: Path, name: str) -> BenchmarkTask:
    corpus = read_corpus(folder, name)
    return BenchmarkTask(
        name=name,
        family=NMT_SUITE,
        direction="maximize",
        suggest=corpus.suggest,
        evaluate=corpus.evaluate,
        reference=corpus.reference,
    )


def _load_objectives(folder: Path, name: str) -> ObjectivesTask:
    corpus = read_corpus(folder, name)
    front = functools.cache(corpus.front)
    return ObjectivesTask(name, "nmt-2", corpus.suggest, corpus.evaluate_both, front)
