"""Several workers: no two get the same configuration while others remain."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import ThreadPoolExecutor
import itertools
import math
import multiprocessing
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
import pytest

from optuna_meta import FittedPrior
from optuna_meta import Prior
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.suggest.suggester import Suggester
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import grid
from tests.toys import grid_prior
from tests.toys import meta_sampler
from tests.toys import run


GRID = {"depth": IntDistribution(0, 3), "kind": CategoricalDistribution(["a", "b", "c"])}


def configurations(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [tuple(sorted(trial.params.items())) for trial in study.trials]


@pytest.mark.parametrize("n_before", [0, 3])
def test_asking_without_telling(n_before: int) -> None:
    study = run(grid(), n_before, sampler=meta_sampler(grid_prior()))
    for _ in range(12 - n_before):
        study.ask(GRID)
    assert len(set(configurations(study))) == 12
    study.ask(GRID)  # Nothing is left: any will do.


def test_asking_first_and_suggesting_later() -> None:
    """All trials run before any of them has a plan."""
    study = optuna.create_study(sampler=meta_sampler(grid_prior()))
    trials = [study.ask() for _ in range(4)]
    for trial in reversed(trials):
        grid()(trial)
    assert len(set(configurations(study))) == 4


def test_asking_with_a_parameter_that_the_priors_do_not_know() -> None:
    study = optuna.create_study(sampler=meta_sampler(grid_prior()))
    for _ in range(8):
        study.ask(GRID | {"new": CategoricalDistribution([True, False])})
    assert len(set(configurations(study))) == 8


def test_samplers_of_one_seed() -> None:
    study = optuna.create_study()
    for _ in range(4):
        study.sampler = meta_sampler(grid_prior())
        study.ask(GRID)
    assert len(set(configurations(study))) == 4


def test_threads() -> None:
    study = run(grid(), 0, sampler=meta_sampler(grid_prior()))
    study.optimize(grid(), n_trials=12, n_jobs=4)
    assert len(set(configurations(study))) == 12
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_threads_fit_the_prior_studies_without_the_target_once() -> None:
    study = run(grid(), 3, study_name="target")
    sampler = meta_sampler([run(grid(), 6, seed=1, study_name="prior"), study])
    fit, fitted = sampler._known.fit, []

    def counted(prior: Prior, **options: Any) -> FittedPrior:
        fitted.append(prior)
        time.sleep(0.2)
        return fit(prior, **options)

    sampler._known.fit, study.sampler = counted, sampler
    study.optimize(grid(), n_trials=8, n_jobs=4)
    assert [prior.names for prior in fitted] == [("prior",)]


def test_a_space_that_grows_while_a_trial_is_asked_for() -> None:
    """What another worker's trial has just shown is not withheld from this one's."""
    study = optuna.create_study(sampler=meta_sampler(grid_prior()))
    first, second = study.ask(), study.ask()
    sampler, frozen = study.sampler, study.trials[1]
    offered = sampler.infer_relative_search_space(study, frozen)
    study.tell(first, grid()(first))
    sampler.sample_relative(study, frozen, offered)
    assert grid()(second) is not None
    assert second.params != first.params


def test_threads_with_a_sampler_each() -> None:
    study = optuna.create_study()

    def work(_: int) -> None:
        mine = optuna.load_study(
            study_name=study.study_name, storage=study._storage, sampler=meta_sampler(grid_prior())
        )
        mine.ask(GRID)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(set(configurations(study))) == 4


WORKER = """
import sys, time
sys.path.insert(0, sys.argv[3])
from tests.toys import *
from tests.sampler.test_parallel import GRID
optuna.logging.set_verbosity(optuna.logging.WARNING)
sampler = meta_sampler(FittedPrior.load(sys.argv[2]))
study = optuna.load_study(study_name="target", storage=sys.argv[1], sampler=sampler)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    study.ask(GRID)
"""


def test_processes_of_one_seed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/target.db"
    grid_prior().save(tmp_path / "prior.safetensors")
    study = optuna.create_study(study_name="target", storage=url)
    arguments = [url, str(tmp_path / "prior.safetensors"), str(Path(__file__).parents[2])]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:  # Both at once.
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    assert [worker.wait() for worker in workers] == [0, 0]
    for worker in workers:
        worker.communicate()
    assert len(study.trials) == 10
    assert len(set(configurations(study))) == 10


def test_a_worker_that_was_overtaken_plans_again() -> None:
    """Another process takes the configuration between this one's reading and its record."""
    study = run(grid(), 3, sampler=meta_sampler(grid_prior()))
    sampler, other = study.sampler, meta_sampler(grid_prior())
    wanted = sampler.explain(study).params
    suggester = sampler._known.suggester(study, study.trials)
    suggest = suggester.suggest
    calls = []

    def overtaken(*arguments: Any) -> Any:
        suggestion = suggest(*arguments)
        if not calls:
            study.enqueue_trial(wanted)
            study.sampler = other
            study.ask(GRID)
            study.sampler = sampler
        calls.append(suggestion)
        return suggestion

    suggester.suggest = overtaken
    own = study.ask(GRID)
    assert len(calls) == 2
    assert own.params != wanted


@pytest.mark.parametrize("yields", [True, False])
def test_a_later_trial_that_looked_too_early_is_left_what_it_has(yields: bool) -> None:
    """It has recorded the same, knows nothing of this one, and may be slow to begin."""
    study = run(grid(), 3, sampler=meta_sampler(grid_prior()))
    storage, sampler, wanted = study._storage, study.sampler, study.sampler.explain(study).params
    suggester = sampler._known.suggester(study, study.trials)
    suggest, reads, rivals = suggester.suggest, storage.get_all_trials, []

    def overtaken(*arguments: Any) -> Any:
        if not rivals:
            rivals.append(storage.create_new_trial(study._study_id))
            storage.set_trial_user_attr(rivals[0], PLAN_KEY, {"params": dict(wanted)})
        return suggest(*arguments)

    def read(*arguments: Any, **options: Any) -> Any:
        if yields and rivals:  # Another one has seen this trial's plan, and made a new one.
            other = {"params": {"depth": 3, "kind": "c"}}
            storage.set_trial_user_attr(rivals[0], PLAN_KEY, other)
        return reads(*arguments, **options)

    suggester.suggest = overtaken
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "get_all_trials", read)
        own = study.ask(GRID)
    assert (own.params == wanted) == yields


@pytest.mark.parametrize(("n_before", "apart"), [(0, 0.05), (5, 1e-4)])
def test_pending_trials_of_a_continuum_are_kept_away_from(n_before: int, apart: float) -> None:
    """After five good trials all but a test go near the optimum, which is known closely then."""
    space = {
        "rate": FloatDistribution(1e-4, 1.0, log=True),
        "width": FloatDistribution(0.0, 1.0),
        "kind": CategoricalDistribution(["a", "b", "c"]),
    }
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    asked = [study.ask(space).params for _ in range(6)]
    cells = [[math.log10(p["rate"]) / 4 + 1, p["width"], 9.0 * ord(p["kind"])] for p in asked]
    for a, b in itertools.combinations(cells, 2):
        assert math.dist(a, b) > apart


def test_trials_about_to_be_planned_neither_get_the_best_nor_cost_plans() -> None:
    """Each worker would leave the best place to the others, and nobody had it."""
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    suggester = study.sampler._known.suggester(study, ())
    suggest, plans = suggester.suggest, []

    def counted(*arguments: Any) -> Any:
        plans.append(suggest(*arguments))
        return plans[-1]

    suggester.suggest = counted
    for _ in range(25):
        others = [study.ask() for _ in range(3)]
        study.tell(trial := study.ask(), bowl()(trial))
        for other in others:
            study.tell(other, state=TrialState.FAIL)
    assert len(plans) == 25
    assert study.best_value < 1e-3


class _Waiting(optuna.storages.InMemoryStorage):
    """A storage whose writes of attributes wait."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.entered.set()
        assert self.go_on.wait(60)
        super().set_trial_user_attr(trial_id, key, value)


def test_threads_do_not_wait_for_each_others_storage_calls() -> None:
    sampler, storage = meta_sampler(bowl_prior()), _Waiting()
    slow = optuna.create_study(storage=storage, sampler=sampler)
    thread = threading.Thread(target=lambda: slow.optimize(bowl(), n_trials=1))
    thread.start()
    assert storage.entered.wait(60)
    assert run(bowl(), 3, sampler=sampler).best_value < 1.0
    assert thread.is_alive()
    storage.go_on.set()
    thread.join()
    assert len(slow.trials) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_while_a_thread_plans_can_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suggest, inside, bowl_prior_of_all = Suggester.suggest, threading.Event(), bowl_prior()

    def slowly(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            time.sleep(0.3)
        return suggest(*arguments)

    monkeypatch.setattr(Suggester, "suggest", slowly)
    study = optuna.create_study(sampler=meta_sampler(bowl_prior_of_all))
    thread = threading.Thread(target=lambda: study.optimize(bowl(), n_trials=1))
    thread.start()
    assert inside.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # A child that hangs is killed, and fails the test.
        run(bowl(), 2, sampler=meta_sampler(bowl_prior_of_all))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()


def suggestions() -> list[dict[str, Any]]:
    study = run(bowl(), 5, sampler=meta_sampler(bowl_prior()))
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("start", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_another_process_suggests_the_same(start: str) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context(start)) as pool:
        assert pool.submit(suggestions).result(timeout=120) == suggestions()


def test_a_saved_prior_serves_several_workers(tmp_path: Path) -> None:
    bowl_prior().save(tmp_path / "prior.safetensors")
    loaded = FittedPrior.load(tmp_path / "prior.safetensors")
    a = run(bowl(), 3, sampler=meta_sampler(loaded))
    b = run(bowl(), 3, sampler=meta_sampler(bowl_prior()))
    assert [t.params for t in a.trials] == [t.params for t in b.trials]
