"""What to run, in which order: whole replicates one after another.

So a file that is not finished compares all methods on the same tasks and seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.arena.results import Budget
from benchmarks.arena.results import Job
from benchmarks.methods.methods import METHODS
from benchmarks.tasks.nmt import NMT_SUITE
from benchmarks.tasks.regimes import changes_target
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.regimes import SHARED
from benchmarks.tasks.tables import SUITE
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import OBJECTIVES_SUITES
from benchmarks.tasks.task import PRUNED_SUITE
from benchmarks.tasks.yahpo import YAHPO_SUITES


class Stage(NamedTuple):
    """Methods on suites under regimes."""

    suites: tuple[str, ...]
    regimes: tuple[str, ...] = ("base",)
    methods: tuple[str, ...] | None = None  # all that the suite and the regime allow by default
    seeds: int = 5


_SINGLE = (SUITE, *YAHPO_SUITES, NMT_SUITE)
_FIRST = ("meta", "enqueue-best-then-tpe")  # what priors cost and give, at little CPU time
_ARENA = (
    Stage(_SINGLE),
    Stage(_SINGLE, ("half-permuted",), seeds=3),
    Stage(_SINGLE, ("none", "three", "random-priors", "permuted", "negated"), _FIRST, seeds=3),
    Stage(_SINGLE, ("one",), (*_FIRST, "portfolio-then-gp", "cma-es-warm-start"), seeds=3),
    Stage(_SINGLE, ("features", "features-permuted"), ("meta",), seeds=3),
    Stage(_SINGLE, ("given-5", "noise", "workers-4"), (*_FIRST, "random", "tpe", "gp"), seeds=2),
    Stage(OBJECTIVES_SUITES, methods=("meta", "random", "tpe", "gp", "nsgaii"), seeds=3),
    Stage((PRUNED_SUITE,), methods=("meta", "meta-drops-pruned", "random", "tpe")),
)
PLANS: Mapping[str, Sequence[Stage]] = {"arena": _ARENA}
ARENA_TRIALS = Budget(50, {"lcbench": 100, PRUNED_SUITE: 100})


def jobs_of(
    stages: Sequence[Stage],
    families: Sequence[Family],
    *,
    seeds: int | None = None,
    tasks: int | None = None,
    methods: Sequence[str] | None = None,
) -> list[Job]:
    """Return all jobs, each once.

    Seeds, and tasks of each family, are the most there may be; stages of other suites and methods
    that are not wanted are left out.
    """
    jobs: dict[Job, None] = {}
    for seed in range(max(stage.seeds for stage in stages))[:seeds]:
        for stage in stages:
            for family in families if seed < stage.seeds else ():
                jobs |= dict.fromkeys(_replicate(stage, family, seed, tasks))
    return [job for job in jobs if methods is None or job.method in methods]


def _replicate(stage: Stage, family: Family, seed: int, tasks: int | None) -> Iterator[Job]:
    if family.suite not in stage.suites:
        return
    for i, task in enumerate(family.targets[:tasks]):
        for name in stage.methods or METHODS:
            for regime in stage.regimes:
                method = METHODS[name]
                needs_more = REGIMES[regime].features is not None and family.features is None
                if needs_more or not method.limits.allow(family.suite, regime, i, seed):
                    continue
                own = method.uses_priors or changes_target(regime)
                yield Job(family.suite, family.name, task, seed, regime if own else SHARED, name)
