"""Tune a recommender of comedies for women, after it was tuned for other users and other films.
=============================================================================================

.. image:: ../../../examples/recommendation/figure.png

The error of the ratings (RMSE) and how high in the list stands what users like (NDCG@10) are two
objectives. The model is a matrix factorisation or a network, which have other hyperparameters.
What is learned from: the values and the curves of trials, their seconds, what the ratings are
like, and what models know of films that both have. ``README.md`` beside this program says how to
get the ratings.
"""

# sphinx_gallery_thumbnail_path = '../examples/recommendation/figure.png'

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import torch
from torch import nn
from torch import Tensor

from examples.common import Application
from examples.common import compare
from examples.common import Job
from examples.common import Options
from examples.common import parse
from examples.common import Task
from examples.recommendation import data
from examples.recommendation import model as models
from examples.recommendation.data import Ratings
from optuna_meta import extract_meta_features
from optuna_meta import MetaPruner
from optuna_meta.features import Interactions
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import EmbeddingRows
from optuna_meta.weights import Ensemble
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import initialize
from optuna_meta.weights import InitReport
from optuna_meta.weights import NewTask
from optuna_meta.weights import record_lineage
from optuna_meta.weights import suggest_start


EPOCHS = 6
WORST = 1.25, 0.0  # RMSE and NDCG@10 from which on a model is worth something
USERS = ["user.weight", "user_bias.weight"]  # They are other people in each task.


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return a model's hyperparameters, and those of its training."""
    chosen = {
        "model": trial.suggest_categorical("model", ["factors", "network"]),
        "factors": trial.suggest_int("factors", 4, 64, log=True),
        "spread": trial.suggest_float("spread", 1e-3, 1.0, log=True),
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 10.0, log=True),
        "ranking": trial.suggest_float("ranking", 0.0, 1.0),
        "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256, 512]),
    }
    if chosen["model"] == "network":
        chosen["width"] = trial.suggest_int("width", 8, 64, log=True)
        chosen["depth"] = trial.suggest_int("depth", 1, 3)
        chosen["dropout"] = trial.suggest_float("dropout", 0.0, 0.6)
    return chosen


def new_model(ratings: Ratings, chosen: Mapping[str, Any], device: str) -> nn.Module:
    """Build the model that hyperparameters say."""
    common = ratings, chosen["factors"], chosen["spread"]
    if chosen["model"] == "factors":
        return models.MatrixFactorisation(*common).to(device)
    shape = chosen["width"], chosen["depth"], chosen["dropout"]
    return models.NeuralRecommender(*common, *shape).to(device)


def objective(trial: optuna.Trial, job: Job) -> tuple[float, float]:
    """Train a model; return RMSE and NDCG@10 of the ratings to validate by."""
    ratings, options = job.task.data, job.options
    chosen = suggest(trial)
    start = suggest_start(trial, job.starts) if job.starts else None
    torch.manual_seed(trial.number)
    model = new_model(ratings, chosen, options.device)
    if start is not None:
        record_lineage(trial, start_from(model, start, ratings))
    rate, decay = chosen["lr"], chosen["weight_decay"]
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    pruner = job.pruner if isinstance(job.pruner, MetaPruner) else MetaPruner()
    for epoch in range(EPOCHS):
        for pairs, values in models.batches(ratings, chosen["batch_size"], options.device):
            optimizer.zero_grad()
            with options.autocast():
                loss = models.loss_of(
                    model, pairs, values, len(ratings.film_ids), chosen["ranking"]
                )
            torch.autograd.backward(loss)
            optimizer.step()
        reached = models.judged(models.predict(model, ratings, options), ratings, data.VALID)
        pruner.report(trial, reached, epoch)
        if pruner is job.pruner and pruner.should_prune(trial):
            raise optuna.TrialPruned
    job.store.save(trial, model, extra={"films": ratings.film_ids.tolist()})
    return reached


def start_from(model: nn.Module, checkpoint: Checkpoint, ratings: Ratings) -> InitReport:
    """Give a model the films that both have, in the factors that both have, and its network."""
    own = {name: p.shape for name, p in model.named_parameters() if name.startswith("network")}
    theirs = {name: s for name, s in checkpoint.shapes.items() if name.startswith("network")}
    rows = EmbeddingRows(checkpoint.metadata.extra["films"], ratings.film_ids.tolist())
    return initialize(
        model,
        checkpoint,
        partial="overlap",
        exclude=[*USERS, *({*own, *theirs} if own != theirs else ())],
        rows=dict.fromkeys(["film.weight", "film_bias.weight"], rows),
        least=0.0,
    )


def features(task: Task) -> dict[str, float]:
    """Return meta-features of the ratings to train on."""
    ratings: Ratings = task.data
    columns = ratings.user, ratings.film, ratings.rating, ratings.time
    return extract_meta_features(Interactions(*(c[ratings.part == data.TRAIN] for c in columns)))


def new_task(task: Task, candidates: Sequence[Candidate], options: Options) -> tuple[NewTask, int]:
    """Return what prior checkpoints are tried on: the ratings to train on, by the best's model."""
    ratings: Ratings = task.data
    chosen = candidates[0].load().metadata.params
    ((pairs, values),) = models.batches(ratings, len(ratings.user), options.device)

    def squared_error(rated: Tensor, wanted: Tensor) -> Tensor:
        return (rated - wanted).square().mean()

    def start(model: nn.Module, checkpoint: Checkpoint) -> InitReport:
        return start_from(model, checkpoint, ratings)

    target = NewTask(
        lambda: new_model(ratings, chosen, options.device),
        pairs,
        values,
        squared_error,
        start=start,
        least=0.0,
    )
    return target, options.trials * EPOCHS * len(pairs) // 256


def hypervolume(reached: tuple[float, float]) -> float:
    """Return that of one model: how far its RMSE is below the worst, times NDCG@10."""
    return max(0.0, WORST[0] - reached[0]) * (reached[1] - WORST[1])


def final(checkpoints: Sequence[Checkpoint], job: Job) -> Mapping[str, float]:
    """Mix the models that validation chooses, and return how good the mixture is on test."""
    ratings, options = job.task.data, job.options
    recommenders = []
    for checkpoint in checkpoints:
        model = new_model(ratings, checkpoint.metadata.params, options.device)
        initialize(model, checkpoint)
        recommenders.append(model)
    predicted = np.stack([models.predict(each, ratings, options) for each in recommenders])

    def loss(mixed: Tensor, _: Tensor) -> Tensor:
        return torch.tensor(-hypervolume(models.judged(mixed.numpy(), ratings, data.VALID)))

    shares = greedy_weights(torch.tensor(predicted), torch.empty(0), size=10, loss=loss)
    mixture = Ensemble(recommenders, shares, space="value")
    reached = models.judged(models.predict(mixture, ratings, options), ratings, data.TEST)
    scores = {"test RMSE": reached[0], "test NDCG@10": reached[1]}
    return {"test hypervolume": hypervolume(reached), **scores}


def main() -> None:
    """Run the comparison."""
    options = parse("recommendation", __doc__)
    if options.smoke and options.data is None:
        options = replace(options, data=data.write_sample(options.folder / "sample"))
    if options.data is None:
        raise SystemExit("Pass --data FOLDER; the README tells where to get it.")
    movielens = data.read_movielens(options.data)
    groups = [*data.GROUPS]
    genres = "Action", "Comedy", "Drama", "Drama"
    # Of the same users, films of another genre only, lest held-out ratings be among a prior's.
    but = ["Comedy" if group == "women" else "" for group in groups]
    tasks = list(zip(groups, genres, but, strict=True))
    priors = [data.task(movielens, group, genre, but=b) for group, genre, b in tasks]
    shuffled = [
        data.task(movielens, group, genre, but=b, shuffled=True) for group, genre, b in tasks
    ]
    new = data.task(movielens, "women", "Comedy")
    application = Application(
        name="recommendation",
        score="validation hypervolume",
        directions=("minimize", "maximize"),
        objective=objective,
        features=features,
        final=final,
        new_task=new_task,
        least_gain=WORST,
    )
    n = 2 if options.smoke else 4
    compare(application, new, priors[:n], shuffled[:n], options)


if __name__ == "__main__":
    main()
