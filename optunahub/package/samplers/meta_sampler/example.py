from functools import partial

import optuna
import optunahub


def loss(trial: optuna.Trial, best_rate: float) -> float:
    """A toy: what training with these hyperparameters would come to."""
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    width = trial.suggest_int("width", 8, 512, log=True)
    return abs(rate / best_rate - 1.0) ** 0.5 + abs(width - 100) / 500


if __name__ == "__main__":
    package = optunahub.load_module("samplers/meta_sampler")

    # Studies of the same model on other data sets, as a storage would hold them.
    earlier = []
    for number, best_rate in enumerate([0.002, 0.004, 0.01]):
        random = optuna.samplers.RandomSampler(seed=number)
        study = optuna.create_study(study_name=f"data set {number}", sampler=random)
        study.optimize(partial(loss, best_rate=best_rate), n_trials=30)
        earlier.append(study)

    prior = package.Prior.from_studies(earlier)  # Or Prior.from_storage("sqlite:///studies.db").
    sampler = package.MetaSampler(prior_studies=prior, seed=0)
    study = optuna.create_study(study_name="new", sampler=sampler)
    study.optimize(lambda trial: loss(trial, 0.006), n_trials=10)

    print(study.best_value, study.best_params)
    print(sampler.explain(study))
