"""Does a study with transferred weights pay: ``python -m benchmarks.weights.study --data FOLDER``.

Studies of earlier tasks, one after the other, keep their best networks with ``CheckpointStore``
and have what a trial starts from as a parameter. Then come studies of a new task with few labels,
12 trials each, which tune the learning rate, the batch size, label smoothing and weight decay:

- ``scratch``: from a fresh initialisation, N steps a trial;
- ``scratch, 3 x steps``: the same with three times the steps;
- ``scratch, steps of choosing``: the same with the steps that choosing a source took, shared out;
- ``scratch by MetaSampler``: N steps, the earlier studies' hyperparameters known;
- ``transferred``: N steps from what ``rank_checkpoints`` chose by the images to train on;
- ``transferred by LogME``: N steps from what LogME chose, which takes no training;
- ``role by TPE``, ``role by MetaSampler``: N steps, the start a parameter (``suggest_start``):
  scratch, best, nearest by meta-features, transferable (the default's choice) or average.

All but MetaSampler's are sampled by TPE, from the same seeds, so that the first trials differ in
their start alone. The incumbent has the least validation loss, of images that neither choosing nor
training sees; test images report. Training on earlier tasks is not counted. Domains: UCI digits
after digits under other conditions, and with ``fashion_mnist`` in FOLDER four classes of
Fashion-MNIST after other classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import tempfile
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
import torch

from benchmarks.weights.data import digits
from benchmarks.weights.data import Domain
from benchmarks.weights.data import FASHION
from benchmarks.weights.data import fashion
from benchmarks.weights.study_report import append
from benchmarks.weights.study_report import choosing
from benchmarks.weights.study_report import Line
from benchmarks.weights.study_report import read
from benchmarks.weights.study_report import roles
from benchmarks.weights.study_report import table
from benchmarks.weights.study_trials import chosen_starts
from benchmarks.weights.study_trials import objective
from benchmarks.weights.study_trials import Start
from benchmarks.weights.study_trials import Starts
from benchmarks.weights.study_trials import StudyTask
from benchmarks.weights.training import HEAD
from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import record_meta_features
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining
from optuna_meta.weights import suggest_start


__all__ = ["main", "measure", "Size"]

_AGAINST = "scratch, 3 x steps"


class Size(NamedTuple):
    """How much is computed."""

    trials: int = 12
    steps: int = 30  # A trial of the new task.
    prior_steps: int = 150
    kept: int = 3  # Checkpoints of each earlier study.
    strategy: ShortlistThenTrain = ShortlistThenTrain()  # The library's default.


SMOKE = Size(
    2, 2, 3, 1, ShortlistThenTrain(shortlist=1, short_training=ShortTraining(2, 2, (4e-3,)))
)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help=f"folder that may contain {FASHION}/")
    parser.add_argument("--domains", nargs="+", default=["digits", "fashion"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--shots", type=int, default=10, help="images of a class to train on")
    parser.add_argument("--out", type=Path, help="a CSV file of all trials: a run goes on from it")
    parser.add_argument("--smoke", action="store_true", help="the smallest run")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    size = SMOKE if args.smoke else Size()
    known = read(args.out) if args.out else []
    for name, make in _domains(args.data).items():
        if name in args.domains:
            found = []
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                done = [line for line in known if (line.domain, line.seed) == (name, seed)]
                if not done:
                    done = list(measure(name, make(args.shots, seed), seed, size))
                    if args.out:  # After each replicate, so that a run can be stopped.
                        append(args.out, done)
                found += done
            print(f"\n## {name}, {args.shots} images of each class, {args.seeds} seeds\n")
            print(table(found, _AGAINST))
            print(f"\n{roles(found)}\n\n{choosing(found)}", flush=True)


def measure(name: str, domain: Domain, seed: int, size: Size) -> Iterator[Line]:
    """Yield every trial of one replicate."""
    head = () if domain.same_labels else HEAD
    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(folder, save_top_k=size.kept)
        earlier = _earlier(domain, head, store, seed, size)
        new = StudyTask("new", domain.train, domain.valid, domain.test, domain.n_classes, head)
        starts = chosen_starts(new, earlier, store, seed, size.strategy)
        for arm in _arms(starts, earlier, new.meta_features(), seed, size):
            study = _study(arm.name, arm.sampler)
            study.optimize(objective(new, arm.steps, seed, start=arm.start), size.trials)
            for trial in study.trials:
                yield _line(name, seed, arm, trial, starts)


class _Arm(NamedTuple):
    name: str
    steps: int
    sampler: BaseSampler
    start: Start | None
    role: str  # Where the start is no parameter.
    chooses: bool  # Whether the default's choice was needed.


def _earlier(
    domain: Domain, head: tuple[str, ...], store: CheckpointStore, seed: int, size: Size
) -> list[optuna.Study]:
    """Studies of the earlier tasks in an order drawn from the seed; each may start from those
    before it."""
    done: list[optuna.Study] = []
    for i in np.random.default_rng([seed, 4]).permutation(len(domain.priors)):
        prior = domain.priors[i]
        task = StudyTask(prior.name, prior.train, prior.valid, prior.valid, domain.n_classes, head)
        found = chosen_starts(task, done, store, seed, size.strategy) if done else None
        study = _study(f"{len(done)}: {prior.name}", TPESampler(seed=100 * seed + int(i)))
        record_meta_features(study, task.meta_features())
        start = partial(suggest_start, starts=found.by_role if found else {})
        study.optimize(objective(task, size.prior_steps, seed, store, start), size.trials)
        done.append(study)
    return done


def _arms(
    starts: Starts,
    earlier: Sequence[optuna.Study],
    features: Mapping[str, float],
    seed: int,
    size: Size,
) -> Iterator[_Arm]:
    n, prior = size.steps, fit_prior(Prior.from_studies(earlier))
    shared = -(-starts.spent.steps // size.trials)

    def tpe() -> BaseSampler:
        return TPESampler(seed=seed)

    def meta() -> BaseSampler:
        return MetaSampler(prior_studies=prior, meta_features=features, seed=seed)

    chosen = starts.by_role["transferable"]
    role = partial(suggest_start, starts=starts.by_role)
    yield _Arm("scratch", n, tpe(), None, "scratch", False)
    yield _Arm(_AGAINST, 3 * n, tpe(), None, "scratch", False)
    yield _Arm("scratch, steps of choosing", n + shared, tpe(), None, "scratch", False)
    yield _Arm("scratch by MetaSampler", n, meta(), None, "scratch", False)
    yield _Arm("transferred", n, tpe(), lambda _: chosen, "transferable", True)
    yield _Arm("transferred by LogME", n, tpe(), lambda _: starts.by_logme, "LogME", False)
    yield _Arm("role by TPE", n, tpe(), role, "", True)
    yield _Arm("role by MetaSampler", n, meta(), role, "", True)


def _study(name: str, sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(study_name=name, sampler=sampler)


def _line(
    domain: str, seed: int, arm: _Arm, trial: optuna.trial.FrozenTrial, starts: Starts
) -> Line:
    return Line(
        domain,
        seed,
        arm.name,
        trial.number,
        arm.steps,
        trial.params.get("start", arm.role),
        round(trial.values[0], 6),
        round(trial.user_attrs["accuracy"], 6),
        starts.source if arm.chooses else "",
        round(starts.spent.seconds, 2) if arm.chooses else 0.0,
        starts.spent.steps if arm.chooses else 0,
    )


def _domains(folder: Path | None) -> dict[str, Callable[[int, int], Domain]]:
    found: dict[str, Callable[[int, int], Domain]] = {"digits": digits}
    if folder is not None and (folder / FASHION).is_dir():
        found["fashion"] = partial(fashion, folder / FASHION)
    return found


if __name__ == "__main__":
    main()
