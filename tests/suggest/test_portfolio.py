from __future__ import annotations

import numpy as np

from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.suggest.portfolio import log_portfolio_improvement
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate.fitted import fit_prior
from tests.suggest.test_suggester import as_set
from tests.suggest.test_suggester import CUBE
from tests.suggest.test_suggester import CUBE_SUGGESTER
from tests.suggest.test_suggester import request
from tests.suggest.test_suggester import rng


REACHED = np.array([[0.0, 1.0, -1.0], [0.5, 0.2, -0.5]])  # At best 0, .2 and -1.


def test_a_candidate_gains_in_each_study_what_it_has_on_the_best_so_far() -> None:
    Z = np.array([[-1.0, 0.2, 5.0], [0.0, -0.3, -1.4], [9.0, 9.0, -1.5]])
    expected = [0.5 * 1.0, 0.3 * 0.5 + 0.2 * 0.4, 0.2 * 0.5]
    found = np.exp(log_portfolio_improvement(Z, REACHED, np.array([0.5, 0.3, 0.2])))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_gains_in_no_study_scores_lowest_and_finite() -> None:
    scores = log_portfolio_improvement(
        np.array([[3.0] * 3, [-2.0] * 3]), REACHED, np.full(3, 1 / 3)
    )
    assert np.isfinite(scores).all() and scores[0] < -600.0 < scores[1]


def test_contradicting_studies_are_served_one_after_the_other() -> None:
    """Each of the first three trials is the best of another study, and one that it has tried."""
    line, x = Space((Dimension("x"),)), np.linspace(0.0, 1.0, 21)[:, None]
    centres = (0.1, 0.45, 0.9)
    tasks = tuple(Task(f"at {c}", x, (x[:, 0] - c) ** 2) for c in centres)
    asked = Suggester(fit_prior(Prior(line, tasks)))
    asked.model(request(line).outcomes[0]).trust = 0.4
    rows = np.zeros((0, 1))
    for n in range(3):
        said = asked.suggest(request(line, rows, values=np.zeros(n)), rng())
        rows = np.vstack([rows, said.row])
    assert as_set(rows) <= as_set(x)
    assert all(np.abs(rows - centre).min() < 0.11 for centre in centres), rows


def test_studies_that_agree_are_followed_and_those_that_say_nothing_are_not() -> None:
    for trust, expected in ((0.2, False), (0.4, True), (0.5, True), (0.9, False)):
        asked = Suggester(CUBE_SUGGESTER.fitted)
        model = asked.model(request(CUBE).outcomes[0])
        model.trust = trust
        rows = asked.suggest(request(CUBE), rng()).row[None]
        found = model.condition(CUBE, rows, np.zeros(1), rows[:0]).is_undecided
        assert found == expected, trust


def test_three_trials_decide() -> None:
    model = Suggester(CUBE_SUGGESTER.fitted).model(request(CUBE).outcomes[0])
    model.trust = 0.4
    rows = rng().random((4, 3)).round()
    states = [model.condition(CUBE, rows[:n], np.zeros(n), rows[:0]) for n in range(5)]
    assert [state.is_undecided for state in states] == [False, True, True, False, False]
