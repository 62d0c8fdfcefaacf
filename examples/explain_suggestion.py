"""Ask the sampler why it suggests what it suggests, with a helpful and a misleading prior.
========================================================================================

The helpful study tuned the same model on the other five digits. The misleading one made a
common mistake: it recorded accuracies but minimised them, so its best trials are its worst.
Nobody tells the sampler which is which. Watch the shares, which say what each prior study helps,
and the agreement, the rank correlation of what it expects with what the trials came to.
"""

from __future__ import annotations

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior


X, y = load_digits(return_X_y=True)
OLD, NEW = y < 5, y >= 5
MINIMIZE, MAXIMIZE = optuna.study.StudyDirection.MINIMIZE, optuna.study.StudyDirection.MAXIMIZE


def accuracy(trial: optuna.Trial, rows: object) -> float:
    model = SVC(
        C=trial.suggest_float("C", 1e-3, 1e3, log=True),
        gamma=trial.suggest_float("gamma", 1e-6, 1.0, log=True),
    )
    return float(cross_val_score(model, X[rows], y[rows], cv=3).mean())


def tune(name: str, direction: optuna.study.StudyDirection) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(study_name=name, direction=direction, sampler=sampler)
    study.optimize(lambda trial: accuracy(trial, OLD), n_trials=20)
    return study


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    priors = [tune("helpful", MAXIMIZE), tune("misleading", MINIMIZE)]
    sampler = MetaSampler(prior_studies=fit_prior(Prior.from_studies(priors)), seed=0)
    study = optuna.create_study(study_name="new", direction="maximize", sampler=sampler)
    for n_trials in (0, 3, 7):
        if n_trials:
            study.optimize(lambda trial: accuracy(trial, NEW), n_trials=n_trials)
            print(f"\nBest accuracy so far: {study.best_value:.3f}", end="")
        print(f"\n--- Before trial {len(study.trials)} ---\n\n{sampler.explain(study)}")


if __name__ == "__main__":
    main()
