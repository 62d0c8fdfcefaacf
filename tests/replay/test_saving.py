"""What cold starts need for a study's best value."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import re
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial
import pytest

from optuna_meta import MetaSampler
from optuna_meta.replay import estimate_saving
from optuna_meta.replay import Saving
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import WEIGHTS_FROM_KEY
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.visualization.studies import bowl_study
from tests.visualization.test_weights_lineage import own_training


def test_median_and_interval_count_what_was_not_reached() -> None:
    saving = Saving(4, 0.5, np.array([3.0, 7.0, 9.0, 12.0, np.inf]), 20)
    assert saving.median == 9.0 and saving.interval == (3.0, np.inf)
    assert str(saving) == (
        "It has saved about 5 trials (80%: -1 to more than 16). An estimate: for 0.5, which this "
        "study had after 4 trials, a cold start needs 9 (80% of "
        "5 replays on a model of the study: 3 to more than 20)."
    )


def test_the_headline_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        saving = Saving(4, 0.5, rng.integers(1, 30, 7).astype(float), 30)
        shown = saving.headline.replace("80%", "")
        by, low, high = (int(n) for n in re.findall(r"-?\d+", shown))
        assert low <= by <= high and abs(saving.median - 4) == by
        assert ("it has cost" in shown) == (saving.median < 4) and "-0" not in shown


def test_a_cost_has_its_own_sign_and_what_it_may_have_saved_the_other() -> None:
    cost = Saving(22, 0.5, np.array([2.0, 7.0, 7.0, 24.0]), 60)
    assert cost.headline == "It has saved no trial: it has cost 15 (80%: -2 to 20)."
    never = Saving(22, 0.5, np.array([2.0, 7.0, np.inf]), 60)
    assert "it has cost 15 (80%: less than -38 to 20)" in never.headline
    even = Saving(4, 0.5, np.array([2.0, 4.0, 5.0]), 30)
    assert even.headline == "It has saved 0 trials (80%: -2 to 1)."


def test_an_estimate_is_the_same_each_time_and_leaves_the_study() -> None:
    study = bowl_study()
    before = [(t.number, t.user_attrs) for t in study.trials]
    first, second = (estimate_saving(study, n_replays=2, limit=8) for _ in range(2))
    assert first is not None and second is not None
    np.testing.assert_array_equal(first.needed, second.needed)
    assert first.is_estimate and first.value == study.best_value
    assert first.priors == bowl_prior().study_names and first.priors[0] in str(first)
    assert first.trials == study.best_trial.number + 1 and first.courses.shape == (2, 8)
    reached = np.isfinite(first.needed)
    assert (first.courses[reached, -1] == study.best_value).all()
    assert [(t.number, t.user_attrs) for t in study.trials] == before


def test_real_cold_starts_are_no_estimate() -> None:
    study = bowl_study()
    saving = estimate_saving(study, objective=bowl(), n_replays=2, limit=30)
    assert saving is not None and not saving.is_estimate and "real cold starts" in str(saving)
    reached = saving.needed[np.isfinite(saving.needed)]
    assert (reached <= 30).all()


def from_weights(study: str = "old") -> dict[str, Any]:
    """What a trial records whose model started from a study's weights."""
    sources = [{"study": study, "trial": 3}]
    return {WEIGHTS_FROM_KEY: {"sources": sources, "share": 1.0}}


def trials_of(
    better: Sequence[bool], gain: float = 1.0, started: Mapping[str, Any] = from_weights()
) -> list[FrozenTrial]:
    """Trials of a bowl, of which those from trained weights come to ``gain`` less."""
    found = []
    for number, is_better in enumerate(better):
        study = run(bowl(), 1, seed=number)
        (trial,) = study.trials
        assert trial.value is not None
        trial.value -= gain * is_better
        trial.user_attrs |= started if is_better else {}
        found.append(trial)
    return found


def study_with(trials: Sequence[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    study.add_trials(trials)
    return study


def test_trials_that_started_otherwise_do_not_count() -> None:
    """The estimate is that of a study which has the trials from trained weights alone."""
    trials = trials_of([False, True] * 5)
    mixed, alone = study_with(trials), study_with(trials[1::2])
    found, expected = (estimate_saving(s, n_replays=2, limit=8) for s in (mixed, alone))
    assert found is not None and expected is not None
    assert found.trials == expected.trials <= 5 and found.start == expected.start == "old"
    np.testing.assert_array_equal(found.needed, expected.needed)
    np.testing.assert_array_equal(found.courses, expected.courses)
    assert (found.n_others, expected.n_others) == (5, 0)
    assert "by its sampler alone, from the same weights" in found.headline
    assert "a cold start from the same weights needs" in found.details
    assert found.details.endswith("Of its 5 trials from scratch none came to that.")
    assert "What the weights saved is not in it: none of its trials started" in expected.details


def test_a_short_training_from_scratch_is_a_start_of_its_own() -> None:
    trials = trials_of([False, True] * 5, started=own_training())
    found = estimate_saving(study_with(trials), n_replays=1, limit=3)
    assert found is not None and found.start == "a short training from scratch"
    assert found.trials <= 5 and found.n_others == 5


def test_weights_that_do_not_help_are_named() -> None:
    found = estimate_saving(study_with(trials_of([False, True] * 5, -1.0)), n_replays=1, limit=3)
    assert found is not None and found.start == SCRATCH
    assert "by its sampler alone, from scratch" in found.headline
    assert found.details.endswith("Of its 5 trials from trained weights none came to that.")


def test_of_two_trials_with_the_best_ones_start_nothing_is_told() -> None:
    study = study_with(trials_of([False] * 6 + [True] * 2))
    assert estimate_saving(study, n_replays=1, limit=3) is None
    real = estimate_saving(study, objective=bowl(), n_replays=1, limit=3)
    assert real is not None and not real.start and "sampler alone" not in real.headline


@pytest.mark.parametrize(
    "values", [[0.5, 0.4], [0.5, 0.5, 0.5]], ids=["too few trials", "equal values"]
)
def test_nothing_is_told_before_trials_tell(values: list[float]) -> None:
    study = optuna.create_study(sampler=meta_sampler(None))
    for value in values:
        study.add_trial(optuna.trial.create_trial(value=value))
    assert estimate_saving(study) is None


def test_cold_starts_have_the_studys_candidates() -> None:
    rows = [{"x": 0.1 * i, "kind": kind} for i in range(10) for kind in "ab"]
    sampler = MetaSampler(seed=0, candidates=rows)
    study = optuna.create_study(sampler=sampler)
    asked = []

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        asked.append((x, trial.suggest_categorical("kind", ["a", "b"])))
        return (x - 0.4) ** 2

    study.optimize(objective, n_trials=6)
    assert estimate_saving(study, n_replays=2, limit=4) is not None
    asked.clear()
    assert estimate_saving(study, objective=objective, n_replays=1, limit=4) is not None
    assert {(round(x, 9), kind) for x, kind in asked} <= {
        (round(r["x"], 9), r["kind"]) for r in rows
    }


def test_nothing_is_told_of_several_objectives() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=meta_sampler(None))
    for i in range(4):
        study.add_trial(optuna.trial.create_trial(values=[float(i), 1.0]))
    assert estimate_saving(study) is None
