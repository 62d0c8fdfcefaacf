"""A search of Ray Tune in a process of its own: its folder, and what a ``ResultGrid`` says of it.

``python ray_tune.py RESULTS PRIOR SCRATCH`` writes the results into a folder, and what the grid is
read as into a file.
"""

from __future__ import annotations

import sys
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler

from optuna_meta.studies.prior import Prior


LAST = 4  # Reports of a trial that is not stopped.
RATES, WIDTHS = (0.1, 0.01, 1.0), (8, 16)


def train(config: dict[str, Any]) -> None:
    distance = abs(config["lr"] - 0.1) + abs(config["net"]["width"] - 8) / 100
    for step in range(1, LAST + 1):
        tune.report({"loss": distance + 1 / step, "eval": {"acc": -distance}})


def main(results: str, prior: str, scratch: str) -> None:
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=scratch,
        _node_ip_address="127.0.0.1",
    )
    grid = tune.Tuner(
        train,
        param_space={
            "lr": tune.grid_search(list(RATES)),
            "net": {"width": tune.grid_search(list(WIDTHS))},
            "opt": "sgd",
        },
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            max_concurrent_trials=1,
            reuse_actors=True,
            scheduler=AsyncHyperBandScheduler(max_t=LAST, grace_period=2, reduction_factor=2),
        ),
        run_config=tune.RunConfig(name="exp", storage_path=results, verbose=0),
    ).fit()
    Prior.from_ray(grid, metric="loss", direction="minimize").save(prior)
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
