"""Tune a network on a new data set, with and without what earlier studies learned.
================================================================================

Earlier: a small PyTorch network was tuned on five data sets, thirty trials each.
Now: the sixth data set arrives, and there is time for fifteen trials. `MetaSampler` reads
the five old studies; `TPESampler`, Optuna's default, starts from nothing. Both get the same
budget, several seeds each. All studies, old and new, end up in one SQLite file that
optuna-dashboard can show.

    python examples/first_transfer.py
    python examples/first_transfer.py --target wine

Every run starts afresh: it replaces `first_transfer.db` in the folder given with `--folder`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from concurrent.futures import ProcessPoolExecutor
import math
import multiprocessing
import os
from pathlib import Path
import shlex
import shutil
import sys
import time
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from sklearn import datasets
from sklearn.model_selection import train_test_split
import torch
from torch import nn
from torch import Tensor

from optuna_meta import extract_meta_features
from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import read_record
from optuna_meta import record_meta_features
from optuna_meta import study_events
from optuna_meta import visualization
from optuna_meta.replay import estimate_saving
from optuna_meta.replay import Saving
from optuna_meta.reporting import html_report


# --- The data sets: all of them come with scikit-learn -----------------------------------------

LOADERS = {
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "digits 0-4": datasets.load_digits,
    "digits 5-9": datasets.load_digits,
}
REGRESSION = {"diabetes"}


def load(name: str) -> tuple[Any, Any]:
    """The features (n, d) and targets (n,) of a data set. The two digits tasks share no class."""
    X, y = LOADERS[name](return_X_y=True)
    if not name.startswith("digits"):
        return X, y
    wanted = y < 5 if name == "digits 0-4" else y >= 5
    return X[wanted], y[wanted] % 5


class Data(NamedTuple):
    """A data set in two fixed parts, standardised by what the training part shows."""

    train_x: Tensor  # (n_train, d)
    train_y: Tensor  # (n_train,) class numbers, or (n_train, 1) standardised values
    valid_x: Tensor  # (n_valid, d)
    valid_y: Tensor
    n_classes: int  # 0 in regression


def prepare(name: str, device: str) -> Data:
    X, y = load(name)
    classes = None if name in REGRESSION else y
    X, valid_X, y, valid_y = train_test_split(
        X, y, test_size=0.4, random_state=0, stratify=classes
    )
    scale = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)  # Some pixels are always blank.
    x = [tensor((part - X.mean(axis=0)) / scale, device) for part in (X, valid_X)]
    if classes is not None:
        labels = [torch.tensor(part, device=device) for part in (y, valid_y)]
        return Data(x[0], labels[0], x[1], labels[1], n_classes=len(np.unique(y)))
    values = [tensor((part - y.mean()) / y.std(), device)[:, None] for part in (y, valid_y)]
    return Data(x[0], values[0], x[1], values[1], n_classes=0)


def tensor(array: Any, device: str) -> Tensor:
    return torch.tensor(array, dtype=torch.float32, device=device)


# --- The network and its eight hyperparameters -------------------------------------------------

STEPS = 150  # Every training takes as many mini-batches, however large its data set is.
BATCH_SIZE = 32
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def build_network(trial: optuna.Trial, n_inputs: int, n_outputs: int) -> nn.Module:
    n_layers = trial.suggest_int("n_layers", 1, 4)
    width = trial.suggest_int("width", 4, 128, log=True)
    activation = ACTIVATIONS[trial.suggest_categorical("activation", list(ACTIVATIONS))]
    dropout = trial.suggest_float("dropout", 0.0, 0.7)
    sizes = [n_inputs, *[width] * n_layers]
    layers: list[nn.Module] = []
    for i in range(n_layers):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), activation(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(width, n_outputs))


def build_optimizer(trial: optuna.Trial, network: nn.Module) -> torch.optim.Optimizer:
    lr = trial.suggest_float("learning_rate", 1e-4, 0.3, log=True)
    weight_decay = trial.suggest_float("weight_decay", 1e-6, 0.1, log=True)
    name = trial.suggest_categorical("optimizer", ["adam", "rmsprop", "sgd"])
    if name == "adam":
        return torch.optim.Adam(network.parameters(), lr, weight_decay=weight_decay)
    if name == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr, weight_decay=weight_decay)
    momentum = trial.suggest_float("momentum", 0.0, 0.99)  # Only SGD has it.
    return torch.optim.SGD(network.parameters(), lr, momentum, weight_decay=weight_decay)


def objective(trial: optuna.Trial, data: Data) -> float:
    """The validation loss in units of a blind guess's: 0 is perfect, 1 has learned nothing.

    Accuracy would not do: with 71 validation examples (wine) dozens of networks tie at the
    top. The cross-entropy still tells them apart. Divided by log(n_classes), or in regression
    by the variance, it reads alike on every data set. What is worse than a guess counts as 1:
    how badly a training blew up is of no interest.
    """
    torch.manual_seed(0)  # The same hyperparameters give the same value, whoever asks.
    n_outputs = data.n_classes or 1
    network = build_network(trial, data.train_x.shape[1], n_outputs).to(data.train_x.device)
    optimizer = build_optimizer(trial, network)
    train(network, optimizer, data)
    network.eval()
    with torch.no_grad():
        loss = loss_of(network(data.valid_x), data.valid_y, data.n_classes).item()
    blind_guess = math.log(data.n_classes) if data.n_classes else 1.0
    return min(loss / blind_guess, 1.0) if math.isfinite(loss) else 1.0


def train(network: nn.Module, optimizer: torch.optim.Optimizer, data: Data) -> None:
    for _ in range(STEPS):
        batch = torch.randint(len(data.train_x), (BATCH_SIZE,)).to(data.train_x.device)
        optimizer.zero_grad()
        loss = loss_of(network(data.train_x[batch]), data.train_y[batch], data.n_classes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def loss_of(output: Tensor, y: Tensor, n_classes: int) -> Tensor:
    return (
        nn.functional.cross_entropy(output, y) if n_classes else nn.functional.mse_loss(output, y)
    )


# --- Running studies ---------------------------------------------------------------------------


class Job(NamedTuple):
    """One study to run."""

    study_name: str
    dataset: str
    sampler: optuna.samplers.BaseSampler
    n_trials: int
    device: str


def run_job(job: Job) -> optuna.storages.InMemoryStorage:
    """A storage with the finished study; runs in a process of its own."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = prepare(job.dataset, job.device)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name=job.study_name, sampler=job.sampler)
    record_meta_features(study, extract_meta_features(*load(job.dataset)))
    study.optimize(lambda trial: objective(trial, data), n_trials=job.n_trials)
    return storage


def run_jobs(pool: Executor, jobs: list[Job], url: str) -> list[optuna.Study]:
    """Runs the jobs side by side and stores each finished study at the URL, in order.

    The workers keep their studies in memory and only this process writes to SQLite, which
    does not like several writers.
    """
    studies = []
    for job, storage in zip(jobs, pool.map(run_job, jobs), strict=True):
        name = job.study_name
        optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=url)
        studies.append(optuna.load_study(study_name=name, storage=url))
        count = f"[{len(studies)}/{len(jobs)}]"
        print(f"  {count} {name}: best {studies[-1].best_value:.4f}", flush=True)
    return studies


# --- The report --------------------------------------------------------------------------------


def best_so_far(studies: list[optuna.Study]) -> Any:
    """The mean over studies of the best value after 1, 2, ... trials, (n_trials,)."""
    values = [[trial.value for trial in study.trials] for study in studies]
    return np.minimum.accumulate(np.array(values), axis=1).mean(axis=0)


def print_table(meta: list[optuna.Study], tpe: list[optuna.Study]) -> None:
    ours, theirs = best_so_far(meta), best_so_far(tpe)
    print(f"\nBest validation loss so far, mean of {len(meta)} seeds (lower is better)\n")
    print("  trials   MetaSampler   TPESampler   trials TPESampler needs for MetaSampler's value")
    for n in sorted({n for n in (1, 3, 5, 10, 15, len(ours)) if n <= len(ours)}):
        caught_up = np.flatnonzero(theirs <= ours[n - 1])
        needed = caught_up[0] + 1 if len(caught_up) else f"more than {len(theirs)}"
        print(f"  {n:6d}   {ours[n - 1]:11.4f}   {theirs[n - 1]:10.4f}   {needed}")


def median_seed(studies: list[optuna.Study]) -> int:
    """The seed whose best value is the median; of an even number, the better of the middle two."""
    order = np.argsort([study.best_value for study in studies], kind="stable")
    return int(order[(len(studies) - 1) // 2])


def print_summary(study: optuna.Study, saving: Saving | None) -> None:
    """What the prior studies did for one study, in a minute's reading."""
    print(f"\nWhat happened in '{study.study_name}', the seed of the median best value:\n")
    first = study.trials[0]
    print(
        f"  trial 0 came to {first.value:.4f}, all {len(study.trials)} to {study.best_value:.4f}"
    )
    records = [record for trial in study.trials if (record := read_record(trial))]
    print(f"  trust in the prior studies: {records[0].trust:.2f}, at last {records[-1].trust:.2f}")
    shares = Counter[str]()
    for record in records:
        shares.update({n: share / len(records) for n, share in record.shares.items()})
    for name, share in shares.most_common(3):
        print(f"  {name} helped: {share:.0%} of the advantage expected of the trials, in the mean")
    for number, event in study_events(study):
        if event.startswith(("dropped", "back", "reversed", "alone")):
            print(f"  before trial {number}: {event}")
    if saving is not None:
        print(f"  {saving}")


def write_report(
    study: optuna.Study, sampler: MetaSampler, saving: Saving | None, file: Path
) -> None:
    """The same and more with figures, as one HTML file, which takes Plotly."""
    if visualization.is_available():
        file.write_text(html_report(study, sampler, saving=saving or False), encoding="utf-8")
        print(f"\nThe same with figures, to be opened in a browser:\n\n  {file}")


def dashboard_command(url: str) -> str:
    """The command as it works in this shell, whether or not the environment is activated."""
    beside_python = os.path.relpath(Path(sys.executable).parent / "optuna-dashboard")
    program = "optuna-dashboard" if shutil.which("optuna-dashboard") else beside_python
    return f"{program} {shlex.quote(url)}"


# --- The experiment ----------------------------------------------------------------------------


class Budget(NamedTuple):
    n_priors: int = 5
    n_prior_trials: int = 30
    n_seeds: int = 5
    n_trials: int = 15
    n_replays: int = 10


SMOKE = Budget(n_priors=2, n_prior_trials=6, n_seeds=1, n_trials=4, n_replays=1)


def new_jobs(
    target: str, samplers: Sequence[optuna.samplers.BaseSampler], n_trials: int, device: str
) -> list[Job]:
    return [
        Job(
            f"{target} | {type(sampler).__name__} | seed {seed}", target, sampler, n_trials, device
        )
        for seed, sampler in enumerate(samplers)
    ]


def run(pool: Executor, target: str, url: str, device: str, budget: Budget, report: Path) -> None:
    old = [name for name in LOADERS if name != target][: budget.n_priors]
    print(
        f"Prior studies: TPESampler, {budget.n_prior_trials} trials each, on {device}", flush=True
    )
    sampler = optuna.samplers.TPESampler(seed=0)
    run_jobs(pool, [Job(name, name, sampler, budget.n_prior_trials, device) for name in old], url)

    print(f"\nLearning from these {len(old)} studies, once", flush=True)
    fitted = fit_prior(Prior.from_storage(url, study_names=old))

    print(f"\nNew studies: {target}, {budget.n_trials} trials each", flush=True)
    features = extract_meta_features(*load(target))
    seeds = range(budget.n_seeds)
    ours = [MetaSampler(prior_studies=fitted, meta_features=features, seed=s) for s in seeds]
    theirs = [optuna.samplers.TPESampler(seed=s) for s in seeds]
    jobs = [
        *new_jobs(target, ours, budget.n_trials, device),
        *new_jobs(target, theirs, budget.n_trials, device),
    ]
    studies = run_jobs(pool, jobs, url)
    print_table(studies[: budget.n_seeds], studies[budget.n_seeds :])
    seed = median_seed(studies[: budget.n_seeds])
    saving = estimate_saving(studies[seed], ours[seed], n_replays=budget.n_replays)
    print_summary(studies[seed], saving)
    write_report(studies[seed], ours[seed], saving, report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", choices=list(LOADERS), default="digits 5-9")
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--smoke", action="store_true", help="a tiny run that shows no gain")
    args = parser.parse_args()
    device = args.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"

    started = time.perf_counter()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)  # So that a machine with more cores prints the same numbers.
    args.folder.mkdir(parents=True, exist_ok=True)
    file = args.folder / "first_transfer.db"
    file.unlink(missing_ok=True)
    url = f"sqlite:///{file.as_posix()}"
    spawn = multiprocessing.get_context("spawn")  # CUDA does not survive a fork.
    with ProcessPoolExecutor(max_workers=2, mp_context=spawn) as pool:
        budget = SMOKE if args.smoke else Budget()
        run(pool, args.target, url, device, budget, args.folder / "first_transfer.html")
    print(f"\nAll studies, old and new, in a browser:\n\n  {dashboard_command(url)}")
    print(f"\nDone in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
