"""Studies with learning curves that many tests share."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from functools import cache

import numpy as np
import optuna
from optuna.pruners import BasePruner

from optuna_meta import Prior


N_STEPS = 12


def curve(quality: float, scale: float = 1.0) -> list[float]:
    """Values that fall towards a final one, the lower the better the quality, in [0, 1]."""
    t = np.arange(1, N_STEPS + 1) / N_STEPS
    return [*(scale * (1.0 - quality * (1.0 - np.exp(-3.0 * t))))]


def objective(
    curve_of: Callable[[float], Sequence[float]] = curve,
) -> Callable[[optuna.Trial], float]:
    """A task whose one parameter is the quality."""

    def evaluate(trial: optuna.Trial) -> float:
        values = curve_of(trial.suggest_float("quality", 0.0, 1.0))
        for step, value in enumerate(values):
            trial.report(value, step)
            if step < len(values) - 1 and trial.should_prune():
                raise optuna.TrialPruned
        return values[-1]

    return evaluate


def study(
    n_trials: int = 40,
    seed: int = 0,
    curve_of: Callable[[float], Sequence[float]] = curve,
    pruner: BasePruner | None = None,
    **options: object,
) -> optuna.Study:
    """A study of random search; without a pruner nothing is stopped."""
    made = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=seed),
        pruner=pruner or optuna.pruners.NopPruner(),
        **options,  # type: ignore[arg-type]
    )
    made.optimize(objective(curve_of), n_trials=n_trials)
    return made


@cache
def prior() -> Prior:
    """Six studies in units of their own."""
    studies = [
        study(30, seed, lambda q, s=10.0**seed: curve(q, s), study_name=f"s{seed}")
        for seed in range(6)
    ]
    return Prior.from_studies(studies)


def n_reports(made: optuna.Study) -> int:
    """How many values a study's trials reported."""
    return sum(len(trial.intermediate_values) for trial in made.trials)
