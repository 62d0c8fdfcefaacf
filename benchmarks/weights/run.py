"""Where weights should start: ``python -m benchmarks.weights run --data FOLDER``.

A new task with few labels comes after some studies of earlier tasks, of each of which the best
trial's weights are kept. The same model is then trained from different starts, each at its best of
four learning rates and stopped at its best step, both by validation examples of the new task that
nothing is trained on; test examples report. A line of a table is a start:

- ``scratch``: a fresh initialisation;
- ``random prior``: the weights of a study drawn at random;
- ``best``: those with the highest score in their own study;
- ``nearest``: those of the study with the nearest meta-features;
- ``LogME``: those whose features suit the new task's labels best;
- ``default``: what ``rank_checkpoints`` chooses, which may be scratch;
- ``all tried``: each of the studies' weights trained in full, and the best by validation kept;
- ``soup``, ``greedy soup``, ``aligned soup``: means of the studies' weights, which were trained
  independently: of all, of those that validation chooses, and after weight matching, where
  the architecture allows it;
- ``joint``, ``reptile``, ``maml``: learned over the data of all earlier tasks together;
- ``ensemble``: all studies' weights trained on, and their predictions mixed by greedy selection on
  validation examples; ``scratch ensemble``: as many fresh ones. These cost that many times the
  steps.

Training on earlier tasks is not counted in the steps; the last table says what it took, and what
choosing took. ``poisoned`` sources are the same studies and four of weights of no use that claim
to be better: two trained on shuffled targets, a dead network, and weights of eightfold scale.
``all poisoned`` are the first three of these alone.

``steps`` says after what share of the steps that scratch took a start first reached the test score
that scratch ended with, the median over seeds. ``gain`` is the mean difference of final scores,
positive where better than scratch, with the standard error over seeds.

Domains: ``digits``, ``fashion`` and ``disjoint`` (images), ``translation``, ``recommender``,
``text``; see the modules of :mod:`benchmarks.weights.domains`. Those without data in FOLDER are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
import tempfile
import time

from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.domains import Entry
from benchmarks.weights.harness import Effort
from benchmarks.weights.harness import make_domain
from benchmarks.weights.harness import Row
from benchmarks.weights.methods import Bench
from benchmarks.weights.methods import METHODS
from benchmarks.weights.methods import OF_LARGER
from benchmarks.weights.methods import OF_POISONED
from benchmarks.weights.sources import ALL_POISONED
from benchmarks.weights.sources import CLEAN
from benchmarks.weights.sources import make_sources
from benchmarks.weights.sources import POISONED
from benchmarks.weights.sources import Sources


__all__ = ["COLUMNS", "measure"]

# A row is a check of a method's training: its test score after a step, and whether validation
# stopped there. The learning rate is nan for ensembles, whose members each have their own;
# choosing and before are CPU seconds on the new task before training, and on earlier tasks.
COLUMNS = (
    "domain", "size", "sources", "seed", "method", "source", "lr", "choosing", "before",
    "stopped", "step", "score",
)  # fmt: skip


def measure(
    name: str,
    seed: int,
    folder: Path | None,
    sizes: Sequence[int] | None,
    methods: Sequence[str],
    effort: Effort,
) -> Iterator[Row]:
    """Yield the rows of a replicate; earlier tasks are learned once for all sizes."""
    known: Sources | None = None
    sizes = sizes or DOMAINS[name].sizes
    with tempfile.TemporaryDirectory() as store:
        for size in sizes:
            domain = make_domain(name, folder, size, seed, effort)
            known = known or make_sources(domain, Path(store), seed, domain.rates[1:3])
            bench = Bench(domain, known, seed, strategy=effort.strategy)
            for bench.kind, method in _parts(methods, DOMAINS[name], size == sizes[0]):
                for row in _rows(bench, method):
                    yield (name, size, bench.kind, seed, method, *row)


def _parts(methods: Sequence[str], entry: Entry, is_smallest: bool) -> Iterator[tuple[str, str]]:
    """Yield kinds of sources and methods: all of them only for the smallest size."""
    kinds = {CLEAN: tuple(METHODS) if is_smallest and entry.all_methods else OF_LARGER}
    if is_smallest and entry.poisoned:
        kinds |= {POISONED: OF_POISONED, ALL_POISONED: OF_POISONED}
    for kind, own in kinds.items():
        yield from ((kind, method) for method in methods if method in own)


def _rows(bench: Bench, method: str) -> Iterator[Row]:
    begun = time.process_time()
    training = METHODS[method](bench)
    choosing = time.process_time() - begun
    if training is not None:
        source, run = training()
        _, _, before = bench.earlier.learned.get(source, (None, None, bench.earlier.seconds))
        costs = [_rounded(value) for value in (run.lr, choosing, before if source else 0.0)]
        for check, (step, score) in enumerate(zip(bench.domain.checks, run.scores, strict=True)):
            yield (source, *costs, int(check == run.chosen), step, _rounded(score))


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
