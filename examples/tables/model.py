"""Three kinds of learners in one search space: a network, and two libraries' boosted trees."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import optuna
from sklearn.ensemble import HistGradientBoostingClassifier
import torch
from torch import nn
import xgboost

from examples.common import Job
from examples.common import Options
from examples.common import Task
from examples.tables.data import Array
from examples.tables.data import Labels
from examples.tables.data import Split
from optuna_meta import extract_meta_features
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import greedy_weights


N_STEPS = 5  # Reports of each training, whatever its learner
EPOCHS, TREES = 6, 12  # of a step
# Of all trainings, what they predict for the rows to validate by and to test with:
Predicted = tuple[Array, Array]  # (n, classes), (m, classes)


def objective(trial: optuna.Trial, job: Job) -> float:
    """Train the learner that the trial says; its value is the loss on the rows to validate by."""
    data: Split = job.task.data
    learner = trial.suggest_categorical("learner", ["network", "sklearn", "xgboost"])
    steps = {"network": network, "sklearn": boosted_by_sklearn, "xgboost": boosted_by_xgboost}
    value = np.inf
    for step, predicted in enumerate(steps[learner](trial, data, job.options)):
        value = log_loss(predicted[0], data.valid[1])
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    valid, test = (torch.tensor(part) for part in predicted)
    job.store.save(trial, Checkpoint({"valid": valid, "test": test}), value=value)
    return value


def network(trial: optuna.Trial, data: Split, options: Options) -> Iterator[Predicted]:
    """Train a network of layers of one width, and yield what it predicts after every step."""
    torch.manual_seed(trial.number)
    (X, X_valid, X_test), y = tensors(data, options.device)
    width = trial.suggest_int("width", 8, 256, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.6)
    layers: list[nn.Module] = []
    widths = [X.shape[1], *[width] * trial.suggest_int("layers", 1, 3)]
    for n_in, n_out in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
    model = nn.Sequential(*layers, nn.Linear(width, data.n_classes)).to(options.device)
    rate = trial.suggest_float("network rate", 1e-4, 1e-1, log=True)
    decay = trial.suggest_float("weight decay", 1e-6, 1e-1, log=True)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    for _ in range(N_STEPS):
        model.train()
        for _ in range(EPOCHS):
            for rows in torch.split(torch.randperm(len(X), device=X.device), 64):
                optimizer.zero_grad()
                with options.autocast():
                    loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
                torch.autograd.backward(loss)
                optimizer.step()
        model.eval()
        with torch.no_grad():
            given = [model(part).softmax(1).double().cpu().numpy() for part in (X_valid, X_test)]
        yield given[0], given[1]


def tensors(data: Split, device: str) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the cells of all three parts, and the classes to learn."""
    parts = [data.train, data.valid, data.test]
    cells = [torch.tensor(X, dtype=torch.float32, device=device) for X, _ in parts]
    return cells, torch.tensor(data.train[1], device=device)


def boosted_by_sklearn(trial: optuna.Trial, data: Split, options: Options) -> Iterator[Predicted]:
    """Boost trees that grow leaf by leaf, and yield what they predict after every step."""
    model = HistGradientBoostingClassifier(
        learning_rate=trial.suggest_float("sklearn rate", 1e-2, 1.0, log=True),
        max_leaf_nodes=trial.suggest_int("leaves", 2, 64, log=True),
        min_samples_leaf=trial.suggest_int("least leaf", 2, 50, log=True),
        l2_regularization=trial.suggest_float("sklearn l2", 1e-6, 1e2, log=True),
        max_features=trial.suggest_float("sklearn columns", 0.2, 1.0),
        early_stopping=False,
        warm_start=True,
        random_state=trial.number,
    )
    for step in range(N_STEPS):
        model.set_params(max_iter=TREES * (step + 1)).fit(*data.train)
        yield model.predict_proba(data.valid[0]), model.predict_proba(data.test[0])


def boosted_by_xgboost(trial: optuna.Trial, data: Split, options: Options) -> Iterator[Predicted]:
    """Boost trees of some depth, and yield what they predict after every step."""
    settings = {
        "objective": "multi:softprob",
        "num_class": data.n_classes,
        "device": options.device,
        "nthread": 1,
        "seed": trial.number,
        "eta": trial.suggest_float("xgboost rate", 1e-2, 1.0, log=True),
        "max_depth": trial.suggest_int("depth", 1, 8),
        "min_child_weight": trial.suggest_float("least weight", 0.1, 20.0, log=True),
        "lambda": trial.suggest_float("xgboost l2", 1e-6, 1e2, log=True),
        "subsample": trial.suggest_float("rows", 0.3, 1.0),
        "colsample_bytree": trial.suggest_float("xgboost columns", 0.2, 1.0),
    }
    train = xgboost.DMatrix(*data.train)
    others = [xgboost.DMatrix(X) for X, _ in (data.valid, data.test)]
    booster = None
    for _ in range(N_STEPS):
        booster = xgboost.train(settings, train, TREES, xgb_model=booster)
        given = [booster.predict(other).astype(np.float64) for other in others]
        yield given[0], given[1]


def log_loss(predicted: Array, classes: Labels) -> float:
    """Return the mean of minus the logarithms of the probabilities (n, classes) of what was so."""
    own = np.clip(predicted[np.arange(len(classes)), classes], 1e-7, 1.0)
    return float(-np.log(own).mean())


def features(task: Task) -> dict[str, float]:
    """Return what a task's rows are like."""
    return extract_meta_features(*task.data.train, task="classification")


def final(checkpoints: Sequence[Checkpoint], job: Job) -> dict[str, float]:
    """Test an ensemble that the rows to validate by chose."""
    data: Split = job.task.data
    valid, test = (
        torch.stack([checkpoint.state[part] for checkpoint in checkpoints])
        for part in ("valid", "test")
    )
    shares = torch.tensor(greedy_weights(valid, torch.tensor(data.valid[1])), dtype=test.dtype)
    mixed = torch.tensordot(shares, test, 1).numpy()
    return {"test accuracy": float((mixed.argmax(axis=1) == data.test[1]).mean())}
