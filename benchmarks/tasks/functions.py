"""Functions in closed form, each as six variants: moved a little, and of another unit."""

from collections.abc import Callable
from collections.abc import Mapping
import functools
from typing import Any

import numpy as np
import optuna

from benchmarks.tasks import base


FUNCTIONS_SUITE = "functions"
_VARIANTS = tuple("012345")
_MOVED = 0.05  # of a range, in the mean: the optimum of a variant
_SAMPLE = 1000  # random configurations, whose median is the reference

# The standard constants of the 6-dimensional function of Hartmann.
_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_HARTMANN_BEST = -3.32236801141551


def rosenbrock(x: base.Array) -> float:
    """Return the value at x (4,) in [0, 1], of which [-5, 10] is the range; 0 at best."""
    z = -5.0 + 15.0 * x
    return float(np.sum(100.0 * (z[1:] - z[:-1] ** 2) ** 2 + (1.0 - z[:-1]) ** 2))


def hartmann(x: base.Array) -> float:
    """Return the value at x (6,) in [0, 1], above the best."""
    return float(-_ALPHA @ np.exp(-np.sum(_A * (x - _P) ** 2, axis=1)) - _HARTMANN_BEST)


def suggest_cube(n: int, trial: optuna.Trial) -> dict[str, Any]:
    return {f"x{i}": trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(n)}


def suggest_mixed(trial: optuna.Trial) -> dict[str, Any]:
    """Draw a learner of three kinds, each with parameters of its own."""
    params: dict[str, Any] = {
        "kind": trial.suggest_categorical("kind", ["linear", "trees", "network"]),
        "scaled": trial.suggest_categorical("scaled", [True, False]),
        "share": trial.suggest_float("share", 0.0, 1.0),
    }
    if params["kind"] == "trees":
        params["depth"] = trial.suggest_int("depth", 1, 20)
        params["trees"] = trial.suggest_int("trees", 10, 1000, log=True)
    elif params["kind"] == "network":
        params["rate"] = trial.suggest_float("rate", 1e-5, 1.0, log=True)
        params["layers"] = trial.suggest_int("layers", 1, 6)
    return params


def mixed(params: base.Params, shift: base.Array) -> float:
    """Return a value that is 0 at best, for a network; trees come close."""
    share = 0.5 * (params["share"] - 0.4 - shift[0]) ** 2
    if params["kind"] == "linear":
        return float(0.6 + share)
    if params["kind"] == "trees":
        depth, n = (params["depth"] - 8 - 20 * shift[1]) / 20, np.log10(params["trees"] / 300) / 2
        return float(0.15 + share + depth**2 + 0.3 * n**2)
    rate = np.log10(params["rate"]) / 5 + 0.6 + shift[2]
    layers = (params["layers"] - 3) / 6
    return float(
        share + 6.0 * (rate + 0.3 * layers) ** 2 + layers**2 + 0.3 * (not params["scaled"])
    )


def function_families() -> tuple[base.Family, ...]:
    cubes: Mapping[str, tuple[Callable[[base.Array], float], int]] = {
        "rosenbrock": (rosenbrock, 4),
        "hartmann": (hartmann, 6),
    }
    families = [
        _family(name, functools.partial(suggest_cube, n), functools.partial(_in_cube, function, n))
        for name, (function, n) in cubes.items()
    ]
    return (*families, _family("mixed", suggest_mixed, mixed))


def _in_cube(
    function: Callable[[base.Array], float], n: int, params: base.Params, shift: base.Array
) -> float:
    """Return the function's value with its optimum moved."""
    x = np.array([params[f"x{i}"] for i in range(n)])
    return function(np.clip(x + shift[:n], 0.0, 1.0))


def _family(
    name: str, suggest: base.Suggest, function: Callable[[base.Params, base.Array], float]
) -> base.Family:
    def load(variant: str) -> base.Task:
        rng = np.random.default_rng(int(variant))
        # The first variant is the function as it is known.
        shift = _MOVED * rng.standard_normal(6) * (variant != _VARIANTS[0])
        unit = float(np.exp(rng.normal()))

        def evaluate(params: base.Params) -> float:
            return unit * function(params, shift)

        def reference() -> base.Reference:
            study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
            values = [evaluate(suggest(study.ask())) for _ in range(_SAMPLE)]
            return base.Reference(0.0, float(np.median(values)))

        return base.single_task(f"{name}-{variant}", "minimize", suggest, evaluate, reference)

    return base.Family(FUNCTIONS_SUITE, name, _VARIANTS, _VARIANTS, functools.cache(load))
