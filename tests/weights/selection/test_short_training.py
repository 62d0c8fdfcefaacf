from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math

import numpy as np
import pytest
import torch
from torch import nn

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import NewTask
from optuna_meta.weights import ShortTraining
from optuna_meta.weights.selection.short_training import Attempt
from optuna_meta.weights.selection.short_training import compare


def build() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def accuracy(outputs: torch.Tensor, classes: torch.Tensor) -> float:
    return float((outputs.argmax(-1) == classes).float().mean())


def target(n: int = 40) -> NewTask:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n, 4, generator=generator)
    return NewTask(build, inputs, inputs[:, :3].argmax(1), nn.functional.cross_entropy, accuracy)


class Told(Attempt):
    """An attempt whose courses are given: miss and loss of each check, by rate and fold."""

    def __init__(self, courses: Mapping[float, Sequence[Sequence[tuple[float, float]]]]) -> None:
        self.asked: list[tuple[float, int, int]] = []
        n_folds = len(next(iter(courses.values()))) // 2
        super().__init__(target(), None, ShortTraining(folds=n_folds, rates=[*courses]), 0)
        self.told = courses

    def course(self, rate: float, division: int, held_out: int) -> np.ndarray:
        self.asked.append((rate, division, held_out))
        return np.array(self.told[rate][division * self.n_folds + held_out])


OTHERS = np.array([1.0, 1.2, 0.9, 1.1, 1.0, 1.2, 0.9, 1.1])


def told(*misses: float) -> Told:
    """Of one rate and one check."""
    return Told({0.1: [[(miss, miss)] for miss in misses]})


def test_the_rate_is_chosen_on_one_fold_and_the_step_on_all() -> None:
    low = [[(0.9, 1.0), (0.5, 1.0)]] + [[(0.9, 1.0), (0.8, 1.0)]] * 3
    high = [[(0.6, 1.0), (0.6, 1.0)]] + [[(0.0, 1.0), (0.0, 1.0)]] * 3
    attempt = Told({0.01: low, 0.1: high})
    np.testing.assert_array_equal(attempt.misses(1)[:, 0], [0.5, 0.8])
    np.testing.assert_array_equal(attempt.misses(2)[:, 0], [0.5, 0.8, 0.8, 0.8])
    assert {part for part in attempt.asked if part[0] == 0.1} == {(0.1, 0, 0)}


def test_the_best_step_is_best_over_all_folds_and_of_equal_scores_that_of_less_loss() -> None:
    folds = [[(0.5, 3.0), (0.0, 2.0), (0.25, 1.0)], [(0.5, 3.0), (1.0, 2.0), (0.75, 1.0)]]
    attempt = Told({0.1: folds * 2})
    np.testing.assert_array_equal(
        attempt.misses(1), [[0.25, 1.0], [0.75, 1.0]]
    )  # All means are .5.


def test_a_rate_that_kills_the_model_on_some_fold_is_not_taken() -> None:
    dies = [[(0.1, 0.1)], [(math.inf, math.inf)]] * 2
    attempt = Told({0.01: [[(0.5, 0.5)], [(0.6, 0.6)]] * 2, 0.1: dies})
    np.testing.assert_array_equal(attempt.misses(1)[:, 0], [0.5, 0.6])
    assert not np.isfinite(Told({0.1: dies}).misses(1)).all()


def test_each_training_is_done_once() -> None:
    built = []

    def counted() -> nn.Module:
        built.append(1)
        return build()

    task = target()
    counting = NewTask(counted, task.inputs, task.labels, task.loss)
    attempt = Attempt(counting, None, ShortTraining(steps=1, rates=[1e-3, 4e-3, 1e-2]), seed=0)
    assert attempt.misses(1).shape == (4, 2) and len(built) == 3 + 3
    assert attempt.misses(2).shape == (8, 2) and len(built) == 3 + 3 + 4
    np.testing.assert_array_equal(attempt.misses(1), attempt.misses(2)[:4])


def test_a_course_is_that_of_training_on_the_other_folds() -> None:
    """Written out for the second fold of the second division."""
    task, training = target(), ShortTraining(steps=12, folds=2, rates=[0.01], batch_size=8)
    found = Attempt(task, None, training, seed=5).course(0.01, 1, 1)
    first = 5 + 2
    order = torch.randperm(40, generator=torch.Generator().manual_seed(first))
    trained, held_out = order[:20], order[20:]
    torch.manual_seed(first + 1)
    model, generator = build(), torch.Generator().manual_seed(first + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    expected = []
    for step in range(13):
        if step in (0, 1, 2, 4, 6, 9, 12):
            outputs = model(task.inputs[held_out]).detach()
            wanted = task.labels[held_out]
            expected.append((-accuracy(outputs, wanted), float(task.loss(outputs, wanted))))
        batch = trained[torch.randperm(20, generator=generator)[:8]]
        optimizer.zero_grad()
        task.loss(model(task.inputs[batch]), task.labels[batch]).backward()
        optimizer.step()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_is_kept_was_trained_at_the_chosen_rate_on_all_but_the_first_fold() -> None:
    task, training = target(), ShortTraining(steps=12, folds=2, rates=[1e-6, 0.01], batch_size=8)
    attempt = Attempt(task, None, training, seed=5)
    assert attempt.trained is None
    attempt.misses(2)
    rest = torch.randperm(40, generator=torch.Generator().manual_seed(5))[20:]
    torch.manual_seed(5)
    model, generator = build(), torch.Generator().manual_seed(5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(12):
        batch = rest[torch.randperm(20, generator=generator)[:8]]
        optimizer.zero_grad()
        task.loss(model(task.inputs[batch]), task.labels[batch]).backward()
        optimizer.step()
    assert attempt.trained is not None
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(attempt.trained.state[name], tensor, rtol=1e-6, atol=0.0)


def test_what_is_kept_is_the_best_check_and_says_what_its_start_said() -> None:
    """Of random classes a long training learns these alone: it is best before its first step."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(24, 4, generator=generator)
    classes = torch.randint(3, (24,), generator=generator)
    new = NewTask(build, inputs, classes, nn.functional.cross_entropy)
    start = Checkpoint.from_model(build(), tags=["small"], extra={"width": 8})
    attempt = Attempt(new, start, ShortTraining(steps=400, rates=[0.05], folds=2), 0)
    attempt.misses(1)
    losses = attempt.course(0.05, 0, 0)[:, 1]
    assert losses.argmin() < len(losses) - 1
    kept = attempt.trained
    assert kept is not None and kept.metadata.extra["width"] == 8
    assert tuple(kept.metadata.tags) == ("small",)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    loss = new.judged(new.model(kept), order.tensor_split(2)[0]).loss
    assert loss == pytest.approx(losses.min(), rel=1e-5)


def test_where_every_rate_dies_nothing_is_kept() -> None:
    task = target()
    dying = NewTask(build, task.inputs, task.labels, lambda o, t: o.mean() * math.nan, accuracy)
    attempt = Attempt(dying, None, ShortTraining(steps=2), 0)
    assert np.isinf(attempt.misses(1)).all() and attempt.trained is None


def test_dropout_is_the_same_whatever_a_start_draws() -> None:
    task = target()

    def started(draws: int) -> np.ndarray:
        def dropping() -> nn.Module:
            model = nn.Sequential(build(), nn.Dropout(0.5))
            torch.rand(draws)
            return model

        told = NewTask(dropping, task.inputs, task.labels, task.loss, accuracy)
        return Attempt(told, None, ShortTraining(steps=6), 0).course(1e-2, 0, 0)

    np.testing.assert_array_equal(started(0), started(5))


def test_without_a_score_the_loss_is_missed() -> None:
    task = target()
    plain = NewTask(build, task.inputs, task.labels, task.loss)
    course = Attempt(plain, None, ShortTraining(steps=6), 0).course(1e-3, 0, 0)
    np.testing.assert_array_equal(course[:, 0], course[:, 1])
    assert (course > 0.0).all()


def test_what_ends_dead_is_infinite_from_the_start() -> None:
    task = target()
    dying = NewTask(build, task.inputs, task.labels, lambda o, t: o.mean() * math.nan, accuracy)
    assert np.isinf(Attempt(dying, None, ShortTraining(steps=6), 0).course(1e-3, 0, 0)).all()


def test_beating_needs_more_than_the_error_of_folds_that_share_examples() -> None:
    """Nadeau and Bengio's variance: of J differences, (1/J + 1/(folds - 1)) times the sample's."""
    scratch = told(*OTHERS)
    gains = np.array([0.3, 0.1, 0.2, -0.1, 0.3, 0.1, 0.2, 0.1])
    verdict = compare(told(*(OTHERS - gains)), scratch, 2)
    assert verdict.gain == pytest.approx(gains.mean())
    assert verdict.error == pytest.approx(math.sqrt(gains.var(ddof=1) * (1 / 8 + 1 / 3)))
    assert verdict.score == pytest.approx(-(OTHERS - gains).mean())
    assert verdict.is_better and verdict.divisions == 2
    naive = gains.std(ddof=1) / math.sqrt(8)
    between = gains - gains.mean() + 1.2 * naive  # More than the naive error, less than this one.
    assert not compare(told(*(OTHERS - between)), scratch, 2).is_better


def test_equal_to_scratch_is_not_better() -> None:
    scratch = told(1.0, 1.2, 0.9, 1.1)
    assert not compare(told(1.0, 1.2, 0.9, 1.1), scratch, 2).is_better


def test_where_no_score_differs_the_loss_decides() -> None:
    def saturated(*losses: float) -> Told:
        return Told({0.1: [[(-1.0, loss)] for loss in losses]})

    scratch = saturated(0.5, 0.6, 0.5, 0.6)
    assert compare(saturated(0.2, 0.3, 0.2, 0.3), scratch, 2).is_better
    assert not compare(saturated(0.5, 0.6, 0.5, 0.6), scratch, 2).is_better
    worse = Told({0.1: [[(-0.9, 0.1)]] + [[(-1.0, 0.1)]] * 3})
    assert not compare(worse, scratch, 2).is_better  # A score that differs is what counts.


def test_what_is_behind_scratch_after_one_division_is_not_tried_on_the_next() -> None:
    scratch, behind = told(1.0, 1.2, 0.1, 0.1), told(1.1, 1.2, 0.0, 0.0)
    verdict = compare(behind, scratch, 2)
    assert verdict.divisions == 1 and not verdict.is_better
    assert all(division == 0 for _, division, _ in behind.asked + scratch.asked)


def test_what_dies_never_wins_and_anything_beats_what_dies() -> None:
    lives, dies = told(1.0, 1.2, 1.0, 1.2), told(0.1, math.inf, 0.1, 0.1)
    assert not compare(dies, lives, 2).is_better
    assert not compare(dies, dies, 2).is_better
    assert compare(lives, dies, 2).is_better


@pytest.mark.parametrize(
    "wrong", [{"folds": 1}, {"steps": 0}, {"rates": ()}, {"batch_size": 0}, {"divisions": 0}]
)
def test_a_training_that_tries_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="At least two folds"):
        ShortTraining(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("undefined", [math.nan, math.inf])
def test_a_score_that_a_fold_has_not_is_refused(undefined: float) -> None:
    task = target()
    wrong = NewTask(build, task.inputs, task.labels, task.loss, lambda outputs, _: undefined)
    with pytest.raises(ValueError, match=r"got (nan|inf) for 10 held-out examples: .* no score"):
        Attempt(wrong, None, ShortTraining(steps=1), 0).misses(1)


def test_a_score_that_constant_outputs_have_not_is_no_error() -> None:
    """At the start of a model whose head is nought."""
    task = target()

    def silent() -> nn.Module:
        model = build()
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[2].bias)
        return model

    def score(outputs: torch.Tensor, classes: torch.Tensor) -> float:
        return float((outputs[:, 0] / outputs[:, 0].std()).mean())

    course = Attempt(
        NewTask(silent, task.inputs, task.labels, task.loss, score), None, ShortTraining(), 0
    )
    misses = course.course(1e-2, 0, 0)[:, 0]
    assert np.isinf(misses[0]) and np.isfinite(misses[-1])


def test_there_are_no_more_folds_than_examples() -> None:
    attempt = Attempt(target(3), None, ShortTraining(steps=1, rates=[1e-3]), np.int64(0))  # type: ignore[arg-type]
    assert attempt.misses(2).shape == (6, 2)
