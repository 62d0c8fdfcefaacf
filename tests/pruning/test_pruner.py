"""MetaPruner stops what is hopeless, keeps the best, takes whatever is reported."""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path
import pickle

import numpy as np
import optuna
import pytest

from optuna_meta import fit_prior
from optuna_meta import MetaPruner
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.pruning.judge import STOPPED_KEY
from optuna_meta.pruning.judge import Verdict
from tests.pruning.toys import curve
from tests.pruning.toys import n_reports
from tests.pruning.toys import N_STEPS
from tests.pruning.toys import objective
from tests.pruning.toys import prior
from tests.pruning.toys import study


PRUNED = optuna.trial.TrialState.PRUNED


def pruned(made: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return made.get_trials(states=(PRUNED,))


@pytest.mark.parametrize("seed", range(3))
def test_the_best_trial_is_kept_at_half_of_the_steps(seed: int) -> None:
    whole = study(40, 50 + seed)
    made = study(40, 50 + seed, pruner=MetaPruner(prior_studies=prior()))
    assert made.best_value == whole.best_value
    assert n_reports(made) < 0.5 * n_reports(whole)


def test_a_direction_is_only_a_sign() -> None:
    found = []
    for sign, direction in ((1.0, "minimize"), (-1.0, "maximize")):
        pruner = MetaPruner(prior_studies=prior())
        made = study(
            20, 3, lambda q, s=sign: [s * v for v in curve(q)], pruner, direction=direction
        )
        found.append([t.number for t in pruned(made)])
    assert found[0] == found[1]
    assert found[0]


def test_it_stops_from_the_second_trial_on() -> None:
    made = optuna.create_study(pruner=MetaPruner(prior_studies=prior()))
    made.enqueue_trial({"quality": 1.0})
    made.enqueue_trial({"quality": 0.0})
    made.optimize(objective(), n_trials=2)
    assert [t.state.name for t in made.trials] == ["COMPLETE", "PRUNED"]


def test_who_may_lose_more_runs_fewer_steps() -> None:
    studies = [
        study(30, 7, pruner=MetaPruner(prior_studies=prior(), max_loss=share))
        for share in (0.001, 0.5)
    ]
    assert n_reports(studies[1]) < n_reports(studies[0])


def test_without_prior_studies_none_is_stopped_before_there_is_evidence() -> None:
    made = study(80, 1, pruner=MetaPruner())
    numbers = [t.number for t in pruned(made)]
    assert min(numbers, default=99) > 10
    assert made.best_value == study(80, 1).best_value


def test_a_target_that_crosses_is_noticed() -> None:
    """Where the worst beginning has the best end, the threshold falls."""

    def crossing(quality: float) -> list[float]:
        t = np.arange(1, N_STEPS + 1) / N_STEPS
        return [*(1.0 + quality * (1.0 - t) - 2.0 * quality * t**4)]

    whole = study(40, 5, crossing)
    misled = study(40, 5, crossing, MetaPruner(prior_studies=prior()))
    helped = study(40, 5, pruner=MetaPruner(prior_studies=prior()))
    assert n_reports(misled) > n_reports(helped)
    # Some of the best are found all the same.
    finals = sorted(t.values[0] for t in whole.trials)
    assert misled.best_value <= finals[10]


def test_the_trial_says_why() -> None:
    pruner = MetaPruner(prior_studies=prior())
    made = study(20, 2, pruner=pruner)
    trial = pruned(made)[0]
    verdict = Verdict.of(trial)
    assert verdict is not None
    assert verdict.step == trial.last_step
    assert verdict.n_stood > verdict.n_improved
    text = f"of {verdict.n_stood} prior trials that stood there, {verdict.n_improved} ended below"
    assert text in str(verdict)
    assert f"trial {trial.number}: {verdict}" in pruner.explain(made)
    assert Verdict.of(made.best_trial) is None


def test_a_trial_that_is_tested_runs_to_its_end() -> None:
    made = study(40, 4, pruner=MetaPruner(prior_studies=prior()))
    marked = [t for t in made.trials if STOPPED_KEY in t.user_attrs]
    tested = [t for t in marked if t.user_attrs[STOPPED_KEY]["test"]]
    assert [marked.index(t) for t in tested] == [i for i in (2, 8, 26) if i < len(marked)]
    assert all(len(t.intermediate_values) == N_STEPS for t in tested)


ODD = {
    "not a number": lambda q: [math.nan] * 3 + curve(q)[3:],
    "only that": lambda q: [math.nan] * (N_STEPS - 1) + [1.0 - q],
    "infinite": lambda q: [math.inf] * 2 + curve(q)[2:],
    "minus infinite": lambda q: curve(q)[:4] + [-math.inf] + curve(q)[5:],
    "constant": lambda q: [1.0] * N_STEPS,
    "one step": lambda q: [1.0 - q],
    "of any length": lambda q: curve(q)[: 2 + int(9 * q)],
    "huge": lambda q: [1e308 * v for v in curve(q)],
    "tiny": lambda q: [1e-308 * v for v in curve(q)],
}


@pytest.mark.filterwarnings("ignore:Prior study 'odd' is left out")
@pytest.mark.parametrize("kind", ODD)
def test_odd_curves_as_target_and_as_priors(kind: str) -> None:
    odd = study(15, 1, ODD[kind], study_name="odd")
    for known in ([odd], [odd, study(15, 2), study(15, 3)]):
        made = study(12, 4, ODD[kind], MetaPruner(prior_studies=known))
        assert all(t.state.is_finished() for t in made.trials)


def test_who_reports_backwards_is_not_taken_to_be_at_the_end() -> None:
    def backwards(trial: optuna.Trial) -> float:
        values = curve(trial.suggest_float("quality", 0.0, 1.0))
        for step in reversed(range(N_STEPS)):
            trial.report(values[N_STEPS - 1 - step], step)
            if step and trial.should_prune():
                raise optuna.TrialPruned
        return values[-1]

    made, whole = (
        optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=6), pruner=pruner)
        for pruner in (MetaPruner(prior_studies=prior()), optuna.pruners.NopPruner())
    )
    made.optimize(backwards, n_trials=25)
    whole.optimize(backwards, n_trials=25)
    assert made.best_value == whole.best_value


def test_steps_may_be_counted_in_other_units() -> None:
    def batches(trial: optuna.Trial) -> float:
        values = curve(trial.suggest_float("quality", 0.0, 1.0))
        for epoch, value in enumerate(values):
            trial.report(value, 100 + 64 * epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return values[-1]

    made = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=8), pruner=MetaPruner(prior_studies=prior())
    )
    made.optimize(batches, n_trials=30)
    same = study(30, 8, pruner=MetaPruner(prior_studies=prior()))
    assert [t.number for t in pruned(made)] == [t.number for t in pruned(same)]


@pytest.mark.parametrize("wrapped", ["hyperband", "patient", "plain"])
def test_other_pruners_wrap_it_and_threads_share_it(wrapped: str) -> None:
    pruner: optuna.pruners.BasePruner = MetaPruner(prior_studies=prior())
    if wrapped == "patient":
        pruner = optuna.pruners.PatientPruner(pruner, patience=1)
    if wrapped == "hyperband":
        pruner = optuna.pruners.HyperbandPruner(max_resource=N_STEPS)
    sampler = MetaSampler(prior_studies=prior(), seed=0)
    made = optuna.create_study(sampler=sampler, pruner=pruner)
    made.optimize(objective(), n_trials=16, n_jobs=4)
    assert all(t.state.is_finished() for t in made.trials)
    assert {t.state.name for t in made.trials} <= {"COMPLETE", "PRUNED"}


def test_a_study_is_resumed_by_another_process(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    pruner = MetaPruner(prior_studies=prior())
    study(12, 9, pruner=pruner, storage=storage, study_name="s")
    copy = pickle.loads(pickle.dumps(pruner))
    sampler = optuna.samplers.RandomSampler(seed=10)
    again = optuna.load_study(study_name="s", storage=storage, sampler=sampler, pruner=copy)
    again.optimize(objective(), n_trials=12)
    assert any(t.number >= 12 for t in pruned(again))


def test_the_study_itself_is_never_its_own_prior() -> None:
    made = study(20, 11)
    resumed = MetaPruner(prior_studies=[made])
    judge = resumed._judge(made, made.trials)
    assert not judge._models[0].records


def test_fitted_priors_serve_and_survive_their_file(tmp_path: Path) -> None:
    fitted = fit_prior(prior())
    fitted.save(tmp_path / "prior.safetensors")
    loaded = type(fitted).load(tmp_path / "prior.safetensors")
    found = [study(15, 12, pruner=MetaPruner(prior_studies=p)) for p in (fitted, loaded)]
    states = [[t.state for t in made.trials] for made in found]
    assert states[0] == states[1]
    assert PRUNED in states[0]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, math.nan])
def test_a_loss_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="max_loss must be a share between 0 and 1"):
        MetaPruner(max_loss=share)


def two(pruner: MetaPruner, seed: int, n_trials: int = 40) -> optuna.Study:
    """A study of two objectives, reported to the pruner."""
    made = optuna.create_study(
        directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=seed)
    )

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        x = trial.suggest_float("x", 0.0, 1.0)
        y = trial.suggest_float("y", 0.0, 1.0)
        values = [(x**2 + y + 1.0 / e, 1.0 - (x - 1.0) ** 2 - y - 1.0 / e) for e in range(1, 9)]
        for step, pair in enumerate(values):
            pruner.report(trial, pair, step)
            if step < 7 and pruner.should_prune(trial):
                raise optuna.TrialPruned
        return values[-1]

    made.optimize(evaluate, n_trials=n_trials)
    return made


def test_several_objectives_are_judged_by_their_front() -> None:
    whole = [two(MetaPruner(), seed, 15) for seed in range(4)]
    made = two(MetaPruner(prior_studies=Prior.from_studies(whole)), 9, 25)
    stopped = pruned(made)
    assert len(stopped) > 5
    assert all(t.values is None for t in stopped)
    reference = two(MetaPruner(max_loss=0.001), 9, 25)
    front = {t.number for t in reference.best_trials}
    assert len(front & {t.number for t in made.best_trials}) >= 0.8 * len(front)


@pytest.mark.plan_may_fail
def test_a_judge_that_fails_costs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    pruner = MetaPruner(prior_studies=prior())
    monkeypatch.setattr("optuna_meta.pruning.pruner.Judge", broken)
    assert all(t.state.name == "COMPLETE" for t in study(5, pruner=pruner).trials)


def test_a_wrong_number_of_values_is_refused() -> None:
    trial = optuna.create_study(directions=["minimize"] * 2).ask()
    with pytest.raises(ValueError, match="2 values are wanted, one for each objective, got 3"):
        MetaPruner().report(trial, (1.0, 2.0, 3.0), 0)
    assert not MetaPruner().should_prune(trial)


def test_a_study_that_is_all_the_prior_there_is_goes_on_alone() -> None:
    storage = optuna.storages.InMemoryStorage()
    made = optuna.create_study(storage=storage, study_name="own")
    made.optimize(objective(), n_trials=6)
    known = Prior.from_storage(storage)
    again = optuna.load_study(
        storage=storage, study_name="own", pruner=MetaPruner(prior_studies=known)
    )
    again.optimize(objective(), n_trials=6)
    chances = [v.chance for t in pruned(again) if (v := Verdict.of(t))]
    assert len(chances) < 6 and all(math.isfinite(chance) for chance in chances)


def test_unknown_values_of_several_objectives_are_no_curve() -> None:
    made = optuna.create_study(directions=["minimize", "minimize"])
    trial, pruner = made.ask(), MetaPruner()
    pruner.report(trial, [math.nan, 1.0], 0)
    assert not pruner.should_prune(trial)
