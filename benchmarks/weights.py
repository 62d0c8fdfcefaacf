"""Where weights should start: ``python -m benchmarks.weights --data FOLDER``.

A new task with few labels comes after some studies, of each of which the best trial's weights are
kept. The same network is then trained from different starts, each at its best of four learning
rates, chosen by validation images that no start was made from; test images report. A line of the
table is a start:

- ``scratch``: a fresh initialisation;
- ``random prior``: the weights of a study drawn at random;
- ``best``: those with the highest score in their own study;
- ``soup``: the mean of all studies' weights, which were trained independently;
- ``aligned soup``: the same after weight matching;
- ``joint``, ``reptile``: learned over all earlier tasks together (``joint`` where a class has the
  same number in all);
- ``ensemble``: all studies' weights trained on, and their predictions mixed by greedy selection on
  the validation images; ``scratch ensemble`` as many fresh ones. These cost that many times the
  steps.

Where classes differ between tasks, the head starts afresh, but for ``reptile``, which learns one.
Training on earlier tasks is not counted in the steps; the last table says what it took. Domains:
UCI digits (part of scikit-learn), after studies of digits under other conditions, and with
``fashion_mnist`` in FOLDER four classes of Fashion-MNIST after studies of other classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights_data import digits
from benchmarks.weights_data import Domain
from benchmarks.weights_data import FASHION
from benchmarks.weights_data import fashion
from benchmarks.weights_report import append
from benchmarks.weights_report import costs
from benchmarks.weights_report import Line
from benchmarks.weights_report import read
from benchmarks.weights_report import table
from benchmarks.weights_training import accuracy
from benchmarks.weights_training import Batches
from benchmarks.weights_training import best_run
from benchmarks.weights_training import cross_entropy
from benchmarks.weights_training import fit
from benchmarks.weights_training import HEAD
from benchmarks.weights_training import network
from benchmarks.weights_training import Run
from benchmarks.weights_training import train_prior
from optuna_meta.weights.average import average
from optuna_meta.weights.initialize import initialize
from optuna_meta.weights.joint import joint_init
from optuna_meta.weights.meta_tasks import Inner
from optuna_meta.weights.meta_tasks import Outer
from optuna_meta.weights.mixture_weights import greedy_weights
from optuna_meta.weights.reptile import reptile_init
from optuna_meta.weights.states import Source


__all__ = ["main", "measure", "Size"]

CHECKS = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200)
_RATES = (5e-4, 1.5e-3, 4e-3, 1e-2)


class Size(NamedTuple):
    """How much is computed."""

    checks: tuple[int, ...] = CHECKS  # Steps after which the new task's network is tested.
    rates: tuple[float, ...] = _RATES
    prior_steps: int = 400
    prior_rates: tuple[float, ...] = (1.5e-3, 4e-3)
    rounds: int = 150  # Of Reptile; joint training takes as many steps in all.


SMOKE = Size((0, 2, 5), (1.5e-3, 4e-3), 20, (4e-3,), 5)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help=f"folder that may contain {FASHION}/")
    parser.add_argument("--domains", nargs="+", default=["digits", "fashion"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 20], help="images of a class")
    parser.add_argument(
        "--out", type=Path, help="a CSV file for all curves, from which a run goes on"
    )
    parser.add_argument("--smoke", action="store_true", help="the smallest run")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    size = SMOKE if args.smoke else Size()
    known = read(args.out, size.checks) if args.out else []
    for name, make in _domains(args.data).items():
        if name in args.domains:
            found = []
            for seed in range(args.seeds):
                done = [line for line in known if (line.domain, line.seed) == (name, seed)]
                if not {line.shots for line in done} >= set(args.shots):
                    done = list(measure(name, make, args.shots, seed, size))
                    if args.out:  # After each replicate, so that a run can be stopped.
                        append(args.out, done, size.checks)
                found += done
            _print(name, found, args.shots, size.checks)


def _print(name: str, lines: Sequence[Line], shots: Sequence[int], checks: Sequence[int]) -> None:
    n_seeds = len({line.seed for line in lines})
    for n in shots:
        print(f"\n## {name}, {n} images of each class, {n_seeds} seeds\n")
        print(table([line for line in lines if line.shots == n], checks))
    print(f"\n## {name}, CPU seconds on earlier tasks\n")
    print(costs(lines), flush=True)


def measure(
    name: str, make: Callable[[int, int], Domain], shots: Sequence[int], seed: int, size: Size
) -> Iterator[Line]:
    """Yield each method's line of one replicate; earlier tasks are learned once for all shots."""
    starts: _Starts | None = None
    for n in shots:
        domain = make(n, seed)  # The shots change only what the new task trains on.
        starts = starts or _prepare(domain, seed, size)
        for method, lr, predicted in _adapted(domain, starts, seed, size):
            curve = tuple(accuracy(p, domain.test) for p in predicted)
            yield Line(name, n, seed, method, lr, starts.clock.spent(method), curve)


class _Starts(NamedTuple):
    studies: list[Source]  # The best weights of each.
    drawn: int  # One of the studies, at random.
    best: int  # The one with the highest score.
    made: dict[str, Source]  # What was made of several.
    clock: _Clock


def _prepare(domain: Domain, seed: int, size: Size) -> _Starts:
    fresh = partial(network, domain.train.x.shape[-1], domain.n_classes)
    clock = _Clock()
    trials = [
        train_prior(prior, fresh(1000 + i), size.prior_steps, size.prior_rates, seed)
        for i, prior in enumerate(domain.priors)
    ]
    states: list[Source] = [state for state, _ in trials]
    best = int(np.argmax([score for _, score in trials]))
    clock.note("studies")
    made: dict[str, Source] = {"soup": average(states, allow_independent=True)}
    clock.note("soup")
    made["aligned soup"] = average(states, align=fresh(0))
    clock.note("aligned soup")
    made |= _meta_learned(domain, fresh(seed), size, seed, clock)
    drawn = int(np.random.default_rng([seed, 3]).integers(len(states)))
    return _Starts(states, drawn, best, made, clock)


def _adapted(
    domain: Domain, starts: _Starts, seed: int, size: Size
) -> Iterator[tuple[str, float, Tensor]]:
    """Yields methods with their learning rate and their predictions on test images."""
    fresh = partial(network, domain.train.x.shape[-1], domain.n_classes)
    data = (domain.train, domain.valid, domain.test)

    def run(start: Source | None, init: int = seed, keep_head: bool = domain.same_labels) -> Run:
        runs = []
        for lr in size.rates:
            model = fresh(init)
            if start is not None:
                initialize(model, start, head=() if keep_head else HEAD)
            runs.append(fit(model, *data, size.checks, lr, seed))
        return best_run(runs, domain.valid)

    members = [run(state) for state in starts.studies]
    scratch = [run(None, seed + 100 * i) for i in range(len(members))]
    single = {
        "scratch": scratch[0],
        "random prior": members[starts.drawn],
        "best": members[starts.best],
    }
    for method, start in starts.made.items():
        single[method] = run(start, keep_head=domain.same_labels or method == "reptile")
    for method, found in single.items():
        yield method, found.lr, found.test
    yield "ensemble", float("nan"), _mixed(members, domain)
    yield "scratch ensemble", float("nan"), _mixed(scratch, domain)


def _meta_learned(
    domain: Domain, model: nn.Module, size: Size, seed: int, clock: _Clock
) -> dict[str, Source]:
    tasks = [Batches(prior.train, seed) for prior in domain.priors]
    inner, outer = Inner(lr=1.5e-3, steps=8), Outer(lr=1.0, rounds=size.rounds, tasks=4)
    found: dict[str, Source] = {
        "reptile": reptile_init(
            model, tasks, cross_entropy, inner=inner, outer=outer,
            optimiser=torch.optim.Adam, seed=seed,
        )
    }  # fmt: skip
    clock.note("reptile")
    if domain.same_labels:
        steps = max(1, inner.steps * outer.tasks * size.rounds // len(tasks))
        found["joint"] = joint_init(model, tasks, cross_entropy, steps=steps, seed=seed)
        clock.note("joint")
    return found


def _mixed(runs: Sequence[Run], domain: Domain) -> Tensor:
    """Predictions of the mixture that is best at the end of validation."""
    ends = torch.stack([run.valid[-1] for run in runs])
    weights = greedy_weights(ends, domain.valid.y)
    return torch.stack([w * run.test for w, run in zip(weights, runs, strict=True)]).sum(0)


class _Clock:
    """CPU seconds between notes."""

    def __init__(self) -> None:
        self._last, self._spent = time.process_time(), dict[str, float]()

    def note(self, what: str) -> None:
        now = time.process_time()
        self._spent[what], self._last = now - self._last, now

    def spent(self, method: str) -> float:
        """What a method took before the new task."""
        if "scratch" in method:
            return 0.0
        own = self._spent.get(method, 0.0)
        return own if method in ("reptile", "joint") else own + self._spent["studies"]


def _domains(folder: Path | None) -> dict[str, Callable[[int, int], Domain]]:
    found: dict[str, Callable[[int, int], Domain]] = {"digits": digits}
    if folder is not None and (folder / FASHION).is_dir():
        found["fashion"] = partial(fashion, folder / FASHION)
    return found


if __name__ == "__main__":
    main()
