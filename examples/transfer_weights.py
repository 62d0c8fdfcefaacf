"""The best network of earlier studies is the next study's starting point.
=======================================================================

Two studies learn to tell digits apart, seen upright and mirrored, and keep their networks.
A new study has 60 images of the mirrored digits and begins from scratch. Which earlier study its
trials agree with names one candidate, what its images say others; which network a second study
starts from, if any, is decided by a short training. Run it with a folder for the checkpoints:

    python examples/transfer_weights.py --folder checkpoints
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from sklearn.datasets import load_digits
import torch
from torch import nn

from optuna_meta import MetaSampler
from optuna_meta import study_weights
from optuna_meta.weights import by_logme
from optuna_meta.weights import by_score
from optuna_meta.weights import Candidate
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import initialize
from optuna_meta.weights import Nearest
from optuna_meta.weights import NewTask
from optuna_meta.weights import rank_checkpoints
from optuna_meta.weights import record_lineage
from optuna_meta.weights import ShortlistThenTrain


Data = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("checkpoints"))
    parser.add_argument("--trials", type=int, default=4)
    args = parser.parse_args()
    store = CheckpointStore(args.folder, save_top_k=2)
    storage = f"sqlite:///{args.folder}.db"
    priors = []
    for name, mirrored in (("upright", False), ("mirrored", True)):
        study = new_study(storage, name)
        study.optimize(objective(*digits(mirrored, 0, 600), store), n_trials=args.trials)
        priors.append(study)

    train, test = digits(True, 600, 60)
    sampler = MetaSampler(prior_studies=priors, seed=0)
    study = new_study(storage, "from scratch", sampler)
    study.optimize(objective(train, test, store), n_trials=args.trials)
    print(f"from scratch: accuracy {study.best_value:.3f}")

    weights = study_weights(sampler, study)
    print("weights of the studies:", {name: round(share, 2) for name, share in weights.items()})
    torch.manual_seed(0)
    target = NewTask(build, *train, nn.functional.cross_entropy, accuracy)
    strategy = ShortlistThenTrain((Nearest(weights), by_logme, by_score))
    ranking = rank_checkpoints(find_checkpoints(priors, store), target, strategy=strategy)
    print(ranking)
    if ranking.best is not None:
        name = f"from {ranking.best.record.study}"
        study = new_study(storage, name, MetaSampler(prior_studies=priors, seed=0))
        study.optimize(objective(train, test, store, ranking.best), n_trials=args.trials)
        print(f"{name}: accuracy {study.best_value:.3f}")


def new_study(
    storage: str, name: str, sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    return optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize",
        load_if_exists=True,  # A second run of this file goes on.
        sampler=sampler or optuna.samplers.TPESampler(seed=0),
    )


def digits(mirrored: bool, first: int, n: int) -> tuple[Data, Data]:
    """Images to train on, n from the first on, and 250 to test on."""
    images, classes = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)[:, :, ::-1] if mirrored else images
    x = torch.tensor(np.ascontiguousarray(images).reshape(-1, 64) / 16.0, dtype=torch.float32)
    y = torch.tensor(classes)
    return (x[first : first + n], y[first : first + n]), (x[-250:], y[-250:])


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def accuracy(outputs: torch.Tensor, classes: torch.Tensor) -> float:
    return float((outputs.argmax(dim=1) == classes).float().mean())


def objective(
    train: Data, test: Data, store: CheckpointStore, start: Candidate | None = None
) -> Callable[[optuna.Trial], float]:
    def run(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-3, 1e-1, log=True)
        torch.manual_seed(trial.number)
        model = build()
        if start is not None:
            report = initialize(model, start.load())
            record_lineage(trial, report)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for _ in range(40):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(train[0]), train[1])
            torch.autograd.backward(loss)
            optimizer.step()
        value = accuracy(model(test[0]), test[1])
        store.save(trial, model, value=value)
        return value

    return run


if __name__ == "__main__":
    main()
