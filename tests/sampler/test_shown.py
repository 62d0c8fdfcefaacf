"""What was once shown of prior studies stays, and all who tell of it tell the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from optuna_meta import explain_trial
from optuna_meta import read_record
from optuna_meta.reporting.summary import prior_reports
from optuna_meta.reporting.summary import summarise
from optuna_meta.reporting.text_style import Markdown
from optuna_meta.reporting.wording import study_text
from optuna_meta.sampler.agreement import Agreement
from optuna_meta.sampler.agreement import NOT_COMPARED
from optuna_meta.sampler.agreement import OF_WEIGHTS
from optuna_meta.sampler.agreement import Opinion
from optuna_meta.sampler.agreement import opinion
from optuna_meta.sampler.agreement import SAME
from optuna_meta.sampler.agreement import UNCLEAR
from optuna_meta.sampler.agreement import UNLIKE
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.sampler.record import record_of
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.shown import opinion_after
from optuna_meta.sampler.shown import order_shown
from optuna_meta.sampler.shown import REVERSED
from optuna_meta.sampler.shown import UNCLEAR_ORDER
from tests.sampler.test_events import events_of
from tests.sampler.test_events import NAMES
from tests.sampler.test_events import records
from tests.sampler.test_events import suggestion
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study


def course(*correlations: float, name: str = "a", from_scratch: bool = True) -> list[TrialRecord]:
    """Records of a prior study's correlation on 12, 16, ... trials."""
    return [
        TrialRecord(i, "", 0.5, agreement={name: (r, 12 + 4 * i)}, is_from_scratch=from_scratch)
        for i, r in enumerate(correlations)
    ]


@pytest.mark.parametrize(
    ("correlations", "kind", "told"),
    [
        ([], NOT_COMPARED, "no prior study could be compared with the own trials"),
        ([0.3], UNCLEAR, "(best rank correlation on 12 trials: a 0.30)"),
        ([0.9], SAME, "agree with the own trials (rank correlation on 12 trials: a 0.90)"),
        ([0.9, 0.3, 0.1], SAME, "(rank correlation on 12 trials: a 0.90; now 0.10 on 20)"),
        ([0.9, 0.3, 0.7], SAME, "(rank correlation on 20 trials: a 0.70)"),
        ([0.9, -0.3], SAME, "; now -0.30 on 16)"),
        ([0.9, -0.9], UNLIKE, "(best rank correlation on 16 trials: a -0.90)"),
        ([-0.1, 0.3], UNLIKE, "(best rank correlation on 12 trials: a -0.10; now 0.30 on 16)"),
        ([-0.1, 0.9], SAME, "(rank correlation on 16 trials: a 0.90)"),
    ],
)
def test_what_was_shown_stays_until_the_opposite_is(
    correlations: list[float], kind: str, told: str
) -> None:
    found = opinion_after(course(*correlations))
    assert found.kind == kind and str(found).endswith(told)


def test_of_several_that_agreed_it_says_whose_the_new_number_is() -> None:
    both = TrialRecord(0, "", 0.5, agreement={"b": (0.9, 12), "a": (0.8, 12)})
    later = TrialRecord(1, "", 0.5, agreement={"a": (0.2, 24), "b": (0.3, 24)})
    told = "(rank correlation on 12 trials: b 0.90, a 0.80; now b 0.30 on 24)"
    assert str(opinion_after([both, later])).endswith(told)


def test_trials_from_scratch_are_judged_anew() -> None:
    warm = course(0.9, from_scratch=False)
    assert opinion_after([*warm, *course(0.3)]).kind == UNCLEAR
    assert opinion_after([*warm, TrialRecord(1, "cold start", 0.0)]).kind == SAME


def test_a_study_that_is_not_compared_any_more_is_not_forgotten() -> None:
    found = opinion_after([*course(0.9), *course(0.3, name="b")])
    assert str(found).endswith("(rank correlation on 12 trials: a 0.90)")


@pytest.mark.parametrize(
    ("correlations", "expected"),
    [([-0.5, -0.4], False), ([-0.9, -0.2], True), ([-0.9, 0.2], True), ([-0.9, 0.9], False)],
)
def test_a_reversed_order_stays_until_trials_show_the_opposite(
    correlations: list[float], expected: bool
) -> None:
    told = course(*correlations)
    assert order_shown(told, "a") == (REVERSED if expected else "")


def test_an_order_that_only_trials_from_trained_weights_show_is_unclear() -> None:
    warm = course(-0.9, from_scratch=False)
    assert order_shown(warm, "a") == UNCLEAR_ORDER == prior_reports(warm)[0].order
    assert order_shown([*warm, *course(-0.9)], "a") == REVERSED


def test_noise_is_seldom_said_to_agree_though_it_is_asked_at_every_trial() -> None:
    """Four studies of noise, over thirty trials."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(200):
        values = rng.standard_normal((30, 5))
        told = []
        for n in range(8, 31):
            r = spearmanr(values[:n]).statistic[-1, :-1]
            told.append(TrialRecord(n, "", 0.5, agreement={str(k): (r[k], n) for k in range(4)}))
        found += opinion_after(told).kind == SAME
    assert found <= 0.09 * 200


def test_an_event_judges_by_the_numbers_that_are_recorded() -> None:
    """These are rounded: .546 on 22 trials is not clear where .55 is."""
    before = records({"a": 0.5, "b": 0.5})
    kinds = set()
    for correlation in np.arange(0.35, 0.7, 0.002):
        options = {"trust": 0.01, "n_trials": 22, "agreement": [float(correlation), 0.1]}
        now = suggestion([0.0, 0.0], **options)
        (alone,) = events_of(before, now)
        (trial,) = recorded_study([{PLAN_KEY: record_of(now, NAMES, ())}]).trials
        read = read_record(trial)
        assert read is not None
        found = opinion_after([*before, read])
        assert alone == f"alone: {found.kind}: {found}"
        kinds.add(found.kind)
    assert kinds == {SAME, UNCLEAR}


@pytest.mark.parametrize(("trust", "kept"), [(0.09996, 0.099), (0.1, 0.1), (0.0994, 0.099)])
def test_a_rounded_trust_says_of_a_say_what_the_trust_does(trust: float, kept: float) -> None:
    now = suggestion([0.5, 0.4], trust=trust)
    written = record_of(now, NAMES, ())
    assert written["trust"] == kept and (written["source"] == "cold start") == (trust < 0.1)


def test_a_note_and_an_explanation_tell_one_judgement() -> None:
    """Shown at the second trial, no longer clear at the third."""
    agreement = [{"a": [0.3, 12]}, {"a": [0.9, 13]}, {"a": [0.3, 14]}]
    study = recorded_study([record(0.05, agreement=a) for a in agreement])
    told = "prior studies agree with the own trials (rank correlation on 13 trials: a 0.90"
    text = study_text(summarise(study), Markdown())
    assert f"Agreement: `{told}; now 0.30 on 14)`" in text and "no longer needed, for" in text
    assert f"agreement: {told}; now 0.30 on 14)" in str(explain_trial(study, 2))
    assert f"agreement: {told})" in str(explain_trial(study, 1))
    assert "agreement: no prior study clearly agrees" in str(explain_trial(study, 0))


def test_a_trial_without_a_comparison_is_told_what_the_last_one_rests_on() -> None:
    study = recorded_study([record(agreement={"a": [0.9, 13]}, warm=True), record()])
    explained, reported = explain_trial(study, 1), summarise(study)
    assert "agree with the own trials" in explained.agreement
    assert not explained.is_from_scratch and not reported.is_from_scratch
    assert OF_WEIGHTS in str(explained) and OF_WEIGHTS in study_text(reported, Markdown())


def test_what_one_comparison_shows_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def counted(agreement: Agreement, n_compared: int) -> Opinion:
        found.append(agreement)
        return opinion(agreement, n_compared)

    monkeypatch.setattr("optuna_meta.sampler.record.opinion", counted)
    told = course(*[0.3, -0.1, 0.9, 0.1] * 5)
    assert opinion_after(told) == opinion_after(told)
    opinion_after([*told, *course(0.5)])
    assert len(found) == len(told) + 1  # Else a study's trials cost the square of their number.
