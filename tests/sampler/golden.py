"""Suggestions that were once recorded, and the numbers of their explanations.

A case is one suggestion after fixed trials. The file beside this one keeps what came of each;
``python -m tests.sampler.golden`` renews it after a deliberate change of the algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
import json
import math
from pathlib import Path
import sys
import tempfile
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.samplers import PartialFixedSampler
from optuna.samplers import RandomSampler

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import record_meta_features
from optuna_meta.sampler.plan import PLAN_KEY


RECORDED = Path(__file__).with_suffix(".json")
LIBRARIES = ("optuna", "torch", "numpy", "scipy", "scikit-learn")

Objective = Callable[[optuna.Trial], Any]


def bowl(centre: float, sign: float = 1.0, digits: int = 15) -> Objective:
    """Two numbers and a choice."""

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        width = trial.suggest_float("width", 0.0, 1.0)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        apart = (1.0 + math.log10(rate) / 4.0 - centre) ** 2 + (width - 0.6) ** 2
        return round(sign * (apart + 0.2 * (kind != "a")), digits)

    return objective


def conditional(gamma: float) -> Objective:
    """Choices with parameters of their own, whole numbers among them."""

    def objective(trial: optuna.Trial) -> float:
        cost = trial.suggest_float("cost", 1e-3, 1e3, log=True)
        loss = 0.1 * abs(math.log10(cost) - 1.0)
        kernel = trial.suggest_categorical("kernel", ["linear", "rbf", "poly"])
        if kernel == "linear":
            return loss + 1.0
        if kernel == "poly":
            return loss + 0.2 * abs(trial.suggest_int("degree", 2, 6) - 4) + 0.4
        return loss + 0.3 * abs(
            math.log10(trial.suggest_float("gamma", 1e-4, 1, log=True) / gamma)
        )

    return objective


def grid(best: int) -> Objective:
    """Twelve configurations."""

    def objective(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 0, 3)
        return abs(depth - best) + 0.5 * "abc".index(
            trial.suggest_categorical("kind", list("abc"))
        )

    return objective


def two(centre: float) -> Objective:
    """Two objectives."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        return bowl(centre)(trial), -trial.params["width"] * math.log(trial.params["rate"])

    return objective


def constrained(centre: float) -> Objective:
    """An objective and two constraints, the second of which some trials lack."""

    def objective(trial: optuna.Trial) -> float:
        loss = bowl(centre)(trial)
        trial.set_constraint("memory", trial.params["width"] - 0.5 - 0.1 * centre)
        if trial.number % 3:
            trial.set_constraint("latency", math.log10(trial.params["rate"]) + 1.0)
        return float(loss)

    return objective


def pruned(centre: float) -> Objective:
    """Learning curves, half of which are cut."""

    def objective(trial: optuna.Trial) -> float:
        loss = float(bowl(centre)(trial))
        for step in range(6):
            trial.report(loss + 0.5 / (step + 1), step)
            if step == trial.number % 5 and trial.number % 2:
                raise optuna.TrialPruned
        return loss

    return objective


def failing(centre: float) -> Objective:
    """Every fourth trial breaks."""

    def objective(trial: optuna.Trial) -> float:
        loss = float(bowl(centre)(trial))
        return math.nan if trial.number % 4 == 1 else loss

    return objective


def study_of(
    objective: Objective, n: int, seed: int = 0, n_objectives: int = 1, **options: Any
) -> optuna.Study:
    """A study of random search."""
    study = optuna.create_study(
        directions=["minimize"] * n_objectives, sampler=RandomSampler(seed=seed), **options
    )
    study.optimize(objective, n_trials=n)
    return study


def prior_of(objectives: list[Objective], n: int = 15, n_objectives: int = 1) -> FittedPrior:
    """Prior studies of random search."""
    studies = [
        study_of(objective, n, 100 + i, n_objectives, study_name=f"prior {i}")
        for i, objective in enumerate(objectives)
    ]
    return fit_prior(Prior.from_studies(studies))


def asked(
    objective: Objective,
    n: int,
    prior: Callable[[], FittedPrior] | None,
    *,
    n_objectives: int = 1,
    prepare: Callable[[optuna.Study], None] = lambda study: None,
    fixed: dict[str, Any] | None = None,
    asked_for: Objective | None = None,
    **options: Any,
) -> dict[str, Any]:
    """What comes of one suggestion after ``n`` random trials, and its explanation."""
    study = study_of(objective, n, 7, n_objectives)
    prepare(study)
    sampler = MetaSampler(prior_studies=prior and prior(), seed=3, **options)
    study.sampler = PartialFixedSampler(fixed, sampler) if fixed else sampler
    told = sampler.explain(study)
    trial = study.ask()
    try:
        (asked_for or objective)(trial)
    except optuna.TrialPruned:
        pass
    record = study.get_trials(deepcopy=False)[trial.number].user_attrs[PLAN_KEY]
    attrs = {k: v for k, v in record.items() if k != "params"}
    return {
        "params": trial.params,
        "attributes": attrs,
        "explained": {
            "source": told.source,
            "trust": told.trust,
            "params": dict(told.params),
            "relevance": dict(told.relevance),
            "priors": [
                [p.study, p.share, p.agreement, p.prior_weight, list(p.close_in)]
                for p in told.priors
            ],
        },
    }


def _running(study: optuna.Study) -> None:
    for objective in (bowl(0.3), bowl(0.7)):
        objective(study.ask())


def _running_without_plans(study: optuna.Study) -> None:
    study.ask()
    study.ask()


def _waiting(study: optuna.Study) -> None:
    study.enqueue_trial({"width": 0.2})


def _described(study: optuna.Study) -> None:
    record_meta_features(study, {"size": 5.0, "noise": 0.3})


def _other_ranges(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 0.01, 10.0)
    kind = trial.suggest_categorical("kind", ["c", "d", "a"])
    return rate + trial.suggest_float("new", 0.0, 1.0) + len(kind)


def _wider(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-3, 10.0, log=True)
    return rate + trial.suggest_float("width", 0.0, 2.0) + trial.suggest_int("new", 1, 9)


def _featured() -> FittedPrior:
    studies = []
    for i in range(9):
        centre = 0.1 + 0.8 * (i % 3) / 2.0
        study = study_of(bowl(centre), 15, 100 + i, study_name=f"prior {i}")
        record_meta_features(study, {"size": 10.0 * centre, "noise": float(i * i % 7), "other": 1})
        studies.append(study)
    return fit_prior(Prior.from_studies(studies))


def _reloaded(fitted: Callable[[], FittedPrior]) -> FittedPrior:
    with tempfile.TemporaryDirectory() as folder:
        fitted().save(Path(folder) / "prior.safetensors")
        return FittedPrior.load(Path(folder) / "prior.safetensors")


def cases() -> dict[str, Callable[[], dict[str, Any]]]:
    """The cases by name."""
    bowls = partial(prior_of, [bowl(c) for c in (0.26, 0.3, 0.36)])
    conditionals = partial(prior_of, [conditional(g) for g in (0.005, 0.01, 0.02)], 25)
    grids = partial(prior_of, [grid(1), grid(2), grid(2)], 8)
    twos = partial(prior_of, [two(0.2), two(0.4)], 15, 2)
    constraints = partial(prior_of, [constrained(0.2), constrained(0.4)])
    misleading = partial(prior_of, [bowl(0.3, sign=-1.0), bowl(0.9, sign=-1.0), bowl(0.35)])
    cut = partial(prior_of, [pruned(c) for c in (0.2, 0.35)], 20)
    many = partial(prior_of, [bowl(0.1 + 0.025 * i) for i in range(30)], 6)
    one = partial(prior_of, [bowl(0.26)])
    rates, widths = [1.0, 0.1, 0.01, 0.001], [0.2, 0.7]
    listed = [{"rate": r, "width": w, "kind": k} for r in rates for w in widths for k in "abc"]
    features = {"size": 5.0, "noise": 0.3}
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "recorded meta-features 3": partial(asked, bowl(0.5), 3, _featured, prepare=_described),
        "pruned 12": partial(asked, pruned(0.3), 12, cut),
        "failing 9": partial(asked, failing(0.3), 9, bowls),
        "misleading 6": partial(asked, bowl(0.3), 6, misleading),
        "one prior 4": partial(asked, bowl(0.3), 4, one),
        "plateaus 15": partial(asked, bowl(0.3, digits=1), 15, bowls),
        "running 5": partial(asked, bowl(0.3), 5, bowls, prepare=_running),
        "running without plans 5": partial(
            asked, bowl(0.3), 5, bowls, prepare=_running_without_plans
        ),
        "enqueued 3": partial(asked, bowl(0.3), 3, bowls, prepare=_waiting),
        "other ranges 4": partial(asked, _other_ranges, 4, bowls),
        "ranges that change 4": partial(asked, bowl(0.3), 4, bowls, asked_for=_wider),
        "many priors 5": partial(asked, bowl(0.3), 5, many),
        "reloaded 5": partial(asked, bowl(0.3), 5, partial(_reloaded, bowls)),
        "partly fixed 5": partial(asked, bowl(0.3), 5, bowls, fixed={"width": 0.4}),
    }
    for n in (0, 1, 3, 10, 30):
        found[f"mixed {n}"] = partial(asked, bowl(0.3), n, bowls)
    for n in (0, 5, 20):
        found[f"conditional {n}"] = partial(asked, conditional(0.01), n, conditionals)
        found[f"cold {n}"] = partial(asked, conditional(0.01), n, None)
    for n in (2, 11):
        found[f"finite {n}"] = partial(asked, grid(2), n, grids)
    for n in (0, 4, 12):
        found[f"two objectives {n}"] = partial(asked, two(0.3), n, twos, n_objectives=2)
    for n in (0, 7):
        found[f"constraints {n}"] = partial(asked, constrained(0.3), n, constraints)
    for n in (0, 6):
        found[f"candidates {n}"] = partial(asked, bowl(0.3), n, bowls, candidates=listed)
        found[f"meta-features {n}"] = partial(
            asked, bowl(0.5), n, _featured, meta_features=features
        )
    return found


def result_of(case: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a case gives, as the file has it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result: dict[str, Any] = json.loads(json.dumps(case(), default=_plain))
    return result


def versions() -> dict[str, str]:
    """What the numbers depend on."""
    return {name: version(name) for name in LIBRARIES}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be recorded.")


def main() -> None:
    """Record all cases anew."""
    results = {name: result_of(case) for name, case in cases().items()}
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDED
    path.write_text(json.dumps({"versions": versions(), "cases": results}, indent=1) + "\n")
    print(f"{len(results)} cases written to {path}.")


if __name__ == "__main__":
    main()
