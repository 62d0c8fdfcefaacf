"""Use an old study although the search space has changed since.
=============================================================

It called the learning rate `lr`, had narrower ranges and two activations, and left `alpha` at
scikit-learn's default. The new name and that default must be told; ranges and choices need not.
"""

from __future__ import annotations

import optuna
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior


def loss(digits: range, lr: float, width: int, activation: str, alpha: float = 1e-4) -> float:
    X, y = load_digits(return_X_y=True)
    rows = (y >= digits[0]) & (y <= digits[-1])
    X, valid_X, y, valid_y = train_test_split(X[rows] / 16, y[rows], random_state=0)
    model = MLPClassifier((width,), activation, alpha=alpha, learning_rate_init=lr, random_state=0)
    for _ in range(10):
        model.partial_fit(X, y, classes=digits)
    return float(log_loss(valid_y, model.predict_proba(valid_X)))


def old_objective(trial: optuna.Trial) -> float:
    lr, width = trial.suggest_float("lr", 1e-3, 0.1, log=True), trial.suggest_int("width", 8, 32)
    return loss(range(5), lr, width, trial.suggest_categorical("activation", ["relu", "tanh"]))


def new_objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
    width = trial.suggest_int("width", 2, 128)
    activation = trial.suggest_categorical("activation", ["logistic", "relu", "tanh"])
    alpha = trial.suggest_float("alpha", 1e-6, 10.0, log=True)  # Nobody tuned it before.
    return loss(range(5, 10), lr, width, activation, alpha)


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.InMemoryStorage()  # Yours would be a URL.
    old = optuna.create_study(storage=storage, sampler=optuna.samplers.TPESampler(seed=0))
    old.optimize(old_objective, n_trials=20)
    prior = Prior.from_storage(storage, rename={"lr": "learning_rate"}, defaults={"alpha": 1e-4})
    fitted = fit_prior(prior)
    for seed in range(3):
        cold = optuna.samplers.TPESampler(seed=seed)
        for sampler in (MetaSampler(prior_studies=fitted, seed=seed), cold):
            study = optuna.create_study(sampler=sampler)
            study.optimize(new_objective, n_trials=6)
            values = "  ".join(f"{trial.value:.3f}" for trial in study.trials)
            print(f"{type(sampler).__name__:>11}, seed {seed}, log loss of each trial:  {values}")


if __name__ == "__main__":
    main()
