"""Where weights should start: ``python -m benchmarks.weights.run --data FOLDER``.

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

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import sys
import tempfile
from typing import NamedTuple

import optuna
import torch

from benchmarks.weights.domain import Domain
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.domains import Entry
from benchmarks.weights.figure import draw
from benchmarks.weights.methods import Bench
from benchmarks.weights.methods import METHODS
from benchmarks.weights.methods import OF_LARGER
from benchmarks.weights.methods import OF_POISONED
from benchmarks.weights.methods import Outcome
from benchmarks.weights.report import append
from benchmarks.weights.report import Line
from benchmarks.weights.report import read
from benchmarks.weights.report import report
from benchmarks.weights.sources import ALL_POISONED
from benchmarks.weights.sources import CLEAN
from benchmarks.weights.sources import make_sources
from benchmarks.weights.sources import POISONED
from benchmarks.weights.sources import Sources
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining


__all__ = ["Effort", "main", "measure"]


class Effort(NamedTuple):
    """How much is computed."""

    checks: int | None = None  # The first of each domain's; all if None.
    rates: int | None = None
    share: float = 1.0  # Of the steps on earlier tasks.
    strategy: ShortlistThenTrain | None = None  # Of the default; as it is if None.


SMOKE = Effort(
    3,
    2,
    0.01,
    ShortlistThenTrain(shortlist=1, short_training=ShortTraining(steps=2, folds=2, rates=[4e-3])),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and print the tables."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lines = read(args.out) if args.out else []
    effort = SMOKE if args.smoke else Effort()
    for name, seed in _missing(lines, args.domains, args.data, args.seeds):
        sizes = args.sizes or DOMAINS[name].sizes
        new = list(measure(name, args.data, sizes, seed, args.methods, effort))
        lines += new
        if args.out:  # After each replicate, so that a run can be stopped.
            append(args.out, new)
            lines = read(args.out)  # Rounded as they are there.
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    tables = "\n".join(report(lines))
    print(tables)
    if args.out:
        args.out.with_suffix(".md").write_text(f"{tables}\n")
        draw(lines, args.out.with_suffix(".png"))


def measure(
    name: str,
    folder: Path | None,
    sizes: Sequence[int],
    seed: int,
    methods: Sequence[str],
    effort: Effort,
) -> Iterator[Line]:
    """Yield each method's line of one replicate; earlier tasks are learned once for all sizes."""
    with tempfile.TemporaryDirectory() as store:
        sources: Sources | None = None
        for size in sizes:
            domain = _domain(name, folder, size, seed, effort)
            rates = domain.rates[1:3]
            sources = sources or make_sources(domain, Path(store), seed, rates, effort.share)
            bench = Bench(domain, sources, seed, strategy=effort.strategy)
            for bench.kind, method in _parts(methods, DOMAINS[name], size == sizes[0]):
                outcome = METHODS[method](bench)
                if outcome is not None:
                    yield _line(name, size, bench, method, outcome)


def _parts(methods: Sequence[str], entry: Entry, is_smallest: bool) -> Iterator[tuple[str, str]]:
    """Yields kinds of sources and methods: all of them only for the smallest size."""
    of_clean = [*METHODS] if is_smallest and entry.all_methods else OF_LARGER
    yield from ((CLEAN, method) for method in methods if method in of_clean)
    if is_smallest and entry.poisoned:
        for kind in (POISONED, ALL_POISONED):
            yield from ((kind, method) for method in methods if method in OF_POISONED)


def _line(name: str, size: int, bench: Bench, method: str, outcome: Outcome) -> Line:
    run = outcome.run
    return Line(
        name,
        size,
        bench.kind,
        bench.seed,
        method,
        outcome.source,
        run.lr,
        outcome.choosing,
        outcome.before,
        run.chosen,
        tuple(bench.domain.checks),
        run.scores,
    )


def _domain(name: str, folder: Path | None, size: int, seed: int, effort: Effort) -> Domain:
    domain = DOMAINS[name].make(folder or Path(), size, seed)
    checks, rates = domain.checks[: effort.checks], domain.rates[-(effort.rates or 4) :]
    return replace(domain, checks=checks, rates=rates)


def _missing(
    lines: Sequence[Line], domains: Sequence[str], folder: Path | None, seeds: Sequence[int]
) -> Iterator[tuple[str, int]]:
    """Yields replicates that there are data for and that no line is of, seed by seed."""
    done = {(line.domain, line.seed) for line in lines}
    for seed in range(*seeds):
        for name in domains:
            needs = DOMAINS[name].needs
            is_there = not needs or folder is not None and (folder / needs).is_dir()
            if is_there and (name, seed) not in done:
                yield name, seed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--domains", nargs="+", choices=[*DOMAINS], default=[*DOMAINS])
    parser.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[5], help="how many, or the first and the end"
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="examples, see the tables' titles")
    parser.add_argument(
        "--out", type=Path, help="a CSV file, from which a run goes on; tables and figure beside"
    )
    parser.add_argument("--smoke", action="store_true", help="the smallest run")
    return parser


if __name__ == "__main__":
    main()
