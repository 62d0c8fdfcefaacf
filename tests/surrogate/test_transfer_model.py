from __future__ import annotations

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.transforms import unwarp_objective
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.transfer_model import transfer_model
from optuna_meta.surrogate.transfer_model import TransferModel


SQUARE = Space((Dimension("a"), Dimension("b")))
CENTRES = (0.45, 0.5, 0.55)


def bowl(rows: Array, centre: float) -> Array:
    return np.sum((rows - centre) ** 2, axis=1)


def model() -> TransferModel:
    """Three prior studies of a bowl, which agree."""
    rng = np.random.default_rng(0)
    rows = [rng.random((40, 2)) for _ in CENTRES]
    tasks = tuple(Task(f"at {c}", r, bowl(r, c)) for r, c in zip(rows, CENTRES, strict=True))
    return transfer_model(fit_prior(Prior(SQUARE, tasks)), Outcome())


GOOD = 0.5 + np.array([[0.02, 0.01], [-0.03, 0.02], [0.01, -0.02], [0.03, 0.03], [-0.01, -0.01]])
FAR = np.array([[0.95, 0.05]])
NOTHING = np.zeros((0, 2))


def test_a_far_trial_that_is_as_bad_as_expected_speaks_for_the_prior_studies() -> None:
    """Its value is hundreds of times those of the good ones, whose differences are small."""
    asked = model()
    before = asked.condition(SQUARE, GOOD, bowl(GOOD, 0.5), NOTHING)
    rows = np.vstack([GOOD, FAR])
    after = asked.condition(SQUARE, rows, bowl(rows, 0.5), NOTHING)
    assert after.tail > 0.0
    assert after.trust > before.trust
    unexpected = asked.condition(SQUARE, rows, np.append(bowl(GOOD, 0.5), -1.0), NOTHING)
    assert unexpected.trust < before.trust


def test_a_diverged_trial_does_not_flatten_the_others() -> None:
    rng = np.random.default_rng(1)
    rows = rng.random((12, 2))
    values = np.append(bowl(rows[:-1], 0.5), 1e6)
    found = model().condition(SQUARE, rows, values, NOTHING)
    assert found.tail < 1.0
    assert np.ptp(found.model.predict(found.inputs(rows[:-1])).means) > 0.5


def test_a_test_is_not_of_the_worst_that_the_prior_studies_know() -> None:
    posterior = model().condition(SQUARE, GOOD, bowl(GOOD, 0.5), NOTHING)
    rows = np.random.default_rng(2).random((200, 2))
    read = posterior.inputs(rows)
    expected = read.Z @ posterior.full.task_weights
    chosen = posterior.would_test(read)
    assert chosen.any() and not chosen[expected > 0.0].any()
    assert not posterior.would_test(posterior.inputs(GOOD)).any()


def test_what_is_certain_is_not_tested() -> None:
    everywhere = np.random.default_rng(2).random((50, 2))
    tests = []
    for trust in (0.8, 0.9999):
        asked = model()
        asked.trust = trust
        posterior = asked.condition(SQUARE, GOOD, np.zeros(5), NOTHING)
        tests.append(posterior.probing_if_due(posterior.inputs(everywhere)).is_probe)
    assert tests == [True, False]


def test_a_vague_forecast_moves_the_model_less_than_a_sharp_one() -> None:
    rng = np.random.default_rng(3)
    rows = np.vstack([rng.random((8, 2)), [[0.8, 0.3]]])
    values = np.append(bowl(rows[:-1], 0.5), -0.3)  # The last is likely better than all.
    spot, asked = rows[-1:] + 0.01, model()

    def expected(n: int, off: float) -> float:
        deviations = np.append(np.zeros(8), off)[:n]
        found = asked.condition(SQUARE, rows[:n], values[:n], NOTHING, deviations)
        predicted, _ = found.full.predict(found.inputs(spot)).moments()
        return float(unwarp_objective(values[:n], predicted, found.tail)[0])

    without, sharp, vague = expected(8, 0.0), expected(9, 0.0), expected(9, 0.5)
    assert sharp < vague < without
    assert without - vague < 0.7 * (without - sharp)
