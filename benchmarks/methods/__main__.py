"""The methods, and which of them can run here: ``python -m benchmarks.methods``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import optuna

from benchmarks.methods.methods import METHODS
from benchmarks.report.markdown import table


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line a method, built from two small prior studies."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    priors = [optuna.create_study(sampler=optuna.samplers.RandomSampler(0)) for _ in range(2)]
    for study in priors:
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=10)
    lines = []
    for name, method in METHODS.items():
        try:
            method.build(priors if method.uses_priors else (), 0)
            answer = "runs"
        except ValueError as error:
            answer = str(error)
        lines.append([name, "with" if method.uses_priors else "without", answer])
    print(table(["method", "prior studies", "here"], lines))


if __name__ == "__main__":
    main()
