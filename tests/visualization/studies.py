"""Studies that tests of figures and reports share: one that was run, and one made of records."""

from __future__ import annotations

from functools import cache
from typing import Any

import optuna

from optuna_meta.sampler.plan import PLAN_KEY
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler


WEIRD = "<b>|`$x_1$\n" + "é" * 90  # A name as nobody would wish it.


@cache
def bowl_study() -> optuna.Study:
    """Ten trials of MetaSampler on a task that its prior studies know."""
    study = optuna.create_study(study_name="bowl", sampler=meta_sampler(bowl_prior()))
    study.optimize(bowl(), n_trials=10)
    return study


def record(trust: float = 0.9, **more: Any) -> dict[str, Any]:
    """A record as trials keep it."""
    source = "prior studies and own trials"
    return {PLAN_KEY: {"params": {}, "source": source, "trust": trust, **more}}


def recorded_study(
    records: list[dict[str, Any]], values: list[float] | None = None, **options: Any
) -> optuna.Study:
    """A study of trials with these user attributes."""
    study = optuna.create_study(**{"study_name": "recorded", **options})
    for i, attrs in enumerate(records):
        value = float(i) if values is None else values[i]
        values_ = [value] * len(study.directions)
        study.add_trial(optuna.trial.create_trial(values=values_, user_attrs=attrs))
    return study


def telling_study(**options: Any) -> optuna.Study:
    """A study of eight trials in which one prior study helps, one is reversed, one is dropped."""
    agreement = {"helpful": [0.8, 9], WEIRD: [-0.7, 9]}
    records = [
        record(
            0.9 - 0.1 * i,
            shares={"helpful": 0.5, WEIRD: -0.1 - 0.01 * i},
            agreement=agreement,
            predicted=[[i + 0.1, i - 1.0, i + 1.0]],
            leaned_on="helpful",
            events={4: ["dropped: noise"], 6: [f"reversed: {WEIRD}"]}.get(i, []),
        )
        for i in range(8)
    ]
    records[5][PLAN_KEY]["source"] = "test of the prior studies"
    return recorded_study(records, **options)
