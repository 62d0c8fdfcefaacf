"""Time suggestions on a mixed space, in CPU milliseconds.

All in one process on one core; the prior studies are random trials of bowls with near minima.
"""

import argparse
from collections.abc import Sequence
import statistics
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler

from benchmarks import commands
from benchmarks.methods.methods import METHODS
from benchmarks.report.markdown import table


N_TIMED = 11  # suggestions, of which the median counts
_NEW = 10_000  # seed of the new study's task, no prior study's


def suggest(trial: optuna.Trial) -> Any:
    """Draw the eight parameters, and return them as a row of the unit cube, (8,)."""
    optimizers, activations = ("adam", "rmsprop", "sgd"), ("gelu", "relu", "tanh")
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.8)
    layers = trial.suggest_int("layers", 1, 8)
    units = trial.suggest_int("units", 16, 1024, log=True)
    optimizer = trial.suggest_categorical("optimizer", optimizers)
    activation = trial.suggest_categorical("activation", activations)
    momentum = trial.suggest_float("momentum", 0.0, 1.0) if optimizer == "sgd" else 0.5
    row = [np.log10(rate) / 4 + 1.25, np.log10(decay) / 4 + 1.5, dropout / 0.8, (layers - 1) / 7]
    row += [np.log2(units / 16) / 6, optimizers.index(optimizer) / 2]
    return np.array([*row, activations.index(activation) / 2, momentum])


def bowl(seed: int, row: Any) -> float:
    rng = np.random.default_rng(seed)
    optimum = np.clip(0.6 + 0.15 * rng.standard_normal(8), 0.0, 1.0)
    return float(np.exp(0.3 * rng.standard_normal(8)) @ (row - optimum) ** 2)


def random_study(seed: int, n_trials: int) -> optuna.Study:
    study = optuna.create_study(study_name=f"bowl-{seed}", sampler=RandomSampler(seed=seed))
    study.optimize(lambda trial: bowl(seed, suggest(trial)), n_trials=n_trials)
    return study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--priors", type=int, default=20, help="for the comparison of samplers")
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 20, 100, 300])
    parser.add_argument("--prior-trials", type=int, default=100, help="of each prior study")
    parser.add_argument("--trial", type=int, default=100, help="the middle one of those timed")


def main(args: argparse.Namespace) -> None:
    ((_, (compared, grown)),) = commands.run_or_raise(measure, [args], n_processes=1)
    print(
        f"CPU time of a suggestion: median of {N_TIMED} around trial {args.trial}, 8 parameters, "
        f"{args.priors} prior studies of {args.prior_trials} trials\n"
    )
    tpe = compared["TPESampler"][1]
    lines = [[name, f"{ms:.1f}", f"{ms / tpe:.2f}"] for name, (_, ms) in compared.items()]
    print(table(["sampler", "ms", "times TPE's"], lines))
    print("\nMetaSampler by number of prior studies\n")
    lines = [[str(n), f"{ms:.1f}", f"{setup:.2f}"] for n, (setup, ms) in grown.items()]
    print(table(["priors", "ms", "s to fit, once"], lines))


def measure(args: argparse.Namespace) -> tuple[dict[str, Any], dict[int, Any]]:
    commands.be_quiet()
    most = max(args.priors, *args.growth, 1)
    priors = [random_study(seed, args.prior_trials) for seed in range(most)]
    time_sampler("meta", priors[:1], 2 * N_TIMED)  # imports and first calls do not count
    names = {"TPESampler": "tpe", "GPSampler": "gp", "MetaSampler": "meta"}
    used = priors[: args.priors]
    compared = {shown: time_sampler(name, used, args.trial) for shown, name in names.items()}
    return compared, {n: time_sampler("meta", priors[:n], args.trial) for n in args.growth}


def time_sampler(method: str, priors: Sequence[optuna.Study], trial: int) -> tuple[float, float]:
    """Return CPU seconds before the first trial, and milliseconds around one after random ones."""
    built, setup = commands.timed(lambda: METHODS[method].build(priors, 0))
    study = optuna.create_study(sampler=built.sampler)
    study.add_trials(random_study(_NEW, max(0, trial - 1 - N_TIMED // 2)).trials)

    def suggestion() -> tuple[optuna.Trial, float]:
        asked = study.ask()
        return asked, bowl(_NEW, suggest(asked))  # microseconds beyond its suggestions

    seconds = []
    for _ in range(N_TIMED):
        (asked, value), cost = commands.timed(suggestion)
        seconds.append(cost.cpu)
        study.tell(asked, value)
    return setup.cpu, 1000 * statistics.median(seconds)
