from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate import padding
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.fitted_file import FORMAT
from optuna_meta.surrogate.fitted_file import VERSION
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design


SPACE = Space(
    (
        Dimension("c", choices=("a", "b", None, True)),
        Dimension("n", 1, 9, step=2.0, integer=True),
        Dimension("x", 1e-4, 1.0, log=True),
    )
)


def prior(lengths: tuple[int, ...] = (12, 5, 1), seed: int = 0) -> Prior:
    rng = np.random.default_rng(seed)
    tasks = []
    for t, n in enumerate(lengths):
        rows = np.column_stack([rng.integers(0, 4, n), rng.integers(0, 5, n) / 4.0, rng.random(n)])
        rows[rng.random(n) < 0.2, 1] = np.nan
        values = (rows[:, 2] - 0.3) ** 2 + 0.1 * (rows[:, 0] == 1.0)
        tasks.append(Task(f"study {t}", rows, values, {"n": 3.0 * t, "odd": np.nan}, f"{t}:now"))
    return Prior(SPACE, tuple(tasks))


def candidates(n: int = 9, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.integers(-1, 4, n), rng.random(n), rng.random(n)])
    rows[0] = np.nan
    return rows


def saved(tmp_path: Path) -> tuple[FittedPrior, Path]:
    fitted, path = fit_prior(prior()), tmp_path / "prior.safetensors"
    fitted.save(path)
    return fitted, path


def test_what_was_saved_predicts_the_same(tmp_path: Path) -> None:
    fitted, path = saved(tmp_path)
    loaded = FittedPrior.load(path)
    np.testing.assert_array_equal(loaded.predict(candidates()), fitted.predict(candidates()))
    assert (
        loaded.space == fitted.space
        and loaded.task_names == fitted.task_names
        and len(loaded) == 3
    )
    for a, b in zip(loaded.prior.tasks, fitted.prior.tasks, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.values, b.values)
        assert repr(a.meta_features) == repr(b.meta_features) and a.fingerprint == b.fingerprint


def test_a_surrogate_of_nothing_can_be_saved(tmp_path: Path) -> None:
    fitted = fit_prior(Prior(SPACE, ()))
    fitted.save(tmp_path / "none")
    assert FittedPrior.load(tmp_path / "none").predict(candidates()).shape == (9, 0)


@pytest.mark.parametrize("kept", [0, 4, 8, 50, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, kept: float) -> None:
    _, path = saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"prior\.safetensors' is truncated .* save it again"):
        FittedPrior.load(path)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"prior\.safetensors'"):
            FittedPrior.load(path)
    damaged = bytearray(whole)
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="is damaged .wrong checksum.: save it again"):
        FittedPrior.load(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"PK\x03\x04 something else entirely, long enough for a header")
    with pytest.raises(ValueError, match="file' is truncated or no safetensors file"):
        FittedPrior.load(path)
    prior().save(path)  # The records alone, untrained.
    with pytest.raises(
        ValueError, match=r"Wanted .*fitted_prior', .*file' has 'optuna_meta.prior"
    ):
        FittedPrior.load(path)
    with pytest.raises(FileNotFoundError, match="No file at .*nowhere"):
        FittedPrior.load(tmp_path / "nowhere")


def test_newer_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    newer = VERSION + 1
    write_arrays(path, {}, FORMAT, newer, {"dimensions": {}, "tasks": []})
    with pytest.raises(ValueError, match=f"has version {newer} of .* upgrade optuna-meta"):
        FittedPrior.load(path)


def test_without_is_the_selection_of_the_others() -> None:
    fitted, rows = fit_prior(prior()), candidates()
    left = fitted.without(["study 1", "unheard of"])
    assert left.task_names == ("study 0", "study 2") and left.space == fitted.space
    np.testing.assert_allclose(left.predict(rows), fitted.predict(rows)[:, [0, 2]], rtol=1e-12)
    np.testing.assert_array_equal(left.parameters.precisions, fitted.parameters.precisions[[0, 2]])
    assert fitted.without([]).task_names == fitted.task_names
    assert fitted.without(fitted.task_names).predict(rows).shape == (9, 0)
    assert len(fitted) == 3


def test_studies_without_others_are_fitted_as_they_were() -> None:
    """In a space that lacks a parameter which the others alone had."""
    (first, second, third), alone = prior().tasks, np.array([True, False, True])
    rows = [np.where(alone, task.rows, np.nan) for task in (first, third)]
    tasks = replace(first, rows=rows[0]), second, replace(third, rows=rows[1])
    known = fit_prior(Prior(SPACE, tasks))
    fitted = fit_prior(known.prior.without(["study 1"]), update=known)
    assert fitted.space.names == ("c", "x")
    expected = known.without(["study 1"]).predict(candidates())
    np.testing.assert_allclose(fitted.predict(candidates()[:, alone]), expected)


def test_selection_keeps_the_order_that_was_asked_for() -> None:
    fitted, rows = fit_prior(prior()), candidates()
    chosen = fitted.select(np.array([2, 0]))
    assert chosen.task_names == ("study 2", "study 0")
    np.testing.assert_allclose(chosen.predict(rows), fitted.predict(rows)[:, [2, 0]], rtol=1e-12)


def test_predictions_are_quantiles_of_ranks() -> None:
    rng = np.random.default_rng(2)
    rows = np.column_stack([np.zeros(25), np.zeros(25), np.linspace(0.0, 1.0, 25)])
    values = np.exp(30.0 * (rows[:, 2] - 0.3) ** 2)  # Spans many orders of magnitude.
    order = rng.permutation(25)
    fitted = fit_prior(Prior(SPACE, (Task("bowl", rows[order], values[order]),)))
    np.testing.assert_allclose(fitted.predict(rows)[:, 0], rank_normal(values), atol=0.5)


def test_absent_dimensions_have_the_best_trials_typical_value() -> None:
    fitted, rows = fit_prior(prior()), SPACE.snap(candidates())
    typical = fitted._typical_rows
    for absent in ([True, False, False], [False, True, True], [True, True, True]):
        kept = np.flatnonzero(np.logical_not(absent))
        part = Space(tuple(SPACE.dimensions[i] for i in kept))
        Z = fitted.predict(rows[:, kept], part)
        for t in range(len(fitted)):
            filled = np.where(absent, typical[t], rows)
            np.testing.assert_allclose(Z[:, t], fitted.predict(filled)[:, t], rtol=1e-10)
    np.testing.assert_allclose(fitted.predict(rows, SPACE), fitted.predict(rows), rtol=1e-10)


def test_typical_rows_are_the_best_trials_medians_and_modes() -> None:
    n = 15  # The best fifth are three trials.
    rows = np.column_stack([np.arange(n) % 4, np.full(n, np.nan), np.linspace(1.0, 0.0, n)])
    rows[:3, 0] = [2.0, UNSEEN, 2.0]
    rows[:3, 2] = [0.1, 0.9, 0.2]
    one = Task("one trial", np.array([[3.0, 0.25, 0.5]]), np.array([1.0]))
    found = fit_prior(Prior(SPACE, (Task("many", rows, np.arange(n) * 1.0), one)))._typical_rows
    np.testing.assert_allclose(found, [[2.0, np.nan, 0.2], [3.0, 0.25, 0.5]])


def test_a_study_without_a_parameter_does_not_depend_on_it() -> None:
    some = prior((8, 8))
    rows = some.tasks[1].rows.copy()
    rows[:, :2] = np.nan
    fitted = fit_prior(Prior(SPACE, (some.tasks[0], Task("without", rows, some.tasks[1].values))))
    tuned = np.array([[True, True, True], [False, False, True]])
    np.testing.assert_array_equal(fitted.parameters.precisions > 0.0, tuned)
    assert np.isfinite(fitted.parameters.precisions).all()
    a, b = candidates(), candidates()
    b[:, 0], b[:, 1] = 1.0, 0.5
    np.testing.assert_allclose(fitted.predict(a)[:, 1], fitted.predict(b)[:, 1], atol=1e-9)
    assert np.abs(fitted.predict(a)[:, 0] - fitted.predict(b)[:, 0]).max() > 1e-3


def test_of_long_studies_the_best_and_a_spread_of_the_rest_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(padding, "_MOST_TRIALS", 10)
    values = np.random.default_rng(3).permutation(57).astype(float)
    chosen = padding.representative(values, 10)
    assert len(set(chosen.tolist())) == 10 and (np.diff(chosen) > 0).all()
    assert set(range(5)) <= set(values[chosen]) and values[chosen].max() == 56.0
    gaps = np.diff(np.sort(values[chosen])[5:])
    assert gaps.max() <= gaps.min() + 1.0
    assert padding.representative(values[:10], 10).tolist() == list(range(10))
    fitted = fit_prior(prior((57, 4)))
    assert fitted.gps.alpha.shape == (2, 10) and np.isfinite(fitted.predict(candidates())).all()


CUBE = Space((Dimension("c", choices=("a", "b")), Dimension("x", 0.0, 2.0), Dimension("y")))


def two_bowls(n: int = 10) -> FittedPrior:
    rng = np.random.default_rng(0)
    tasks = []
    for t in range(2):
        rows = np.column_stack([rng.integers(0, 2, n), rng.random((n, 2))])
        tasks.append(Task(f"t{t}", rows, (rows[:, 1] - 0.2) ** 2 + 0.1 * rows[:, 0]))
    return fit_prior(Prior(CUBE, tuple(tasks)))


FITTED = two_bowls()


def scaled(space: Space, *configurations: dict[str, object]) -> Array:
    """Designs of configurations in length scales of the prior studies."""
    X = design(space.rows(list(configurations)), space)
    return X * np.sqrt(FITTED.precisions(space))[column_owners(space)]


def test_a_narrower_range_has_longer_length_scales() -> None:
    """Two configurations are as far apart, whatever the range that they are encoded in."""
    narrow = Space((Dimension("c", choices=("b", "a")), Dimension("x", 0.5, 1.0), Dimension("y")))
    pair = {"c": "a", "x": 0.6, "y": 0.1}, {"c": "b", "x": 0.9, "y": 0.3}
    apart = [np.linalg.norm(np.subtract(*scaled(space, *pair))) for space in (narrow, CUBE)]
    assert apart[0] == pytest.approx(apart[1])


def test_predictions_are_those_of_the_same_configurations() -> None:
    target = Space(
        (Dimension("y", 0.0, 0.5), Dimension("c", choices=("b", "new", "a")), Dimension("x"))
    )
    configurations = [
        {"y": 0.1, "c": "a", "x": 0.3},
        {"y": 0.4, "c": "b", "x": 0.9},
        {"y": 0.2, "c": "new", "x": 0.5},
        {"y": 0.2, "x": 0.5},
    ]
    Z = FITTED.predict(target.rows(configurations), target)
    np.testing.assert_allclose(Z, FITTED.predict(CUBE.rows(configurations)), rtol=1e-9)


def test_what_the_target_adds_is_ignored() -> None:
    target = Space((Dimension("added"), Dimension("x", 0.0, 2.0)))
    rows = target.rows([{"added": 0.0, "x": 1.2}, {"added": 1.0, "x": 1.2}])
    Z = FITTED.predict(rows, target)
    np.testing.assert_array_equal(Z[0], Z[1])
    np.testing.assert_allclose(Z, FITTED.predict(rows[:, 1:], Space((CUBE.dimensions[1],))))
    assert np.isfinite(FITTED.predict(rows[:, :1], Space((Dimension("added"),)))).all()


def test_without_prior_studies_there_are_scales_and_no_predictions() -> None:
    nothing = fit_prior(Prior())
    rows = CUBE.rows([{"c": "a", "x": 1.0, "y": 0.5}, {"c": "b", "x": 0.0, "y": 0.1}])
    assert nothing.predict(rows, CUBE).shape == (2, 0)
    assert (nothing.precisions(CUBE) > 0.0).all()


def test_the_first_version_of_files_is_read() -> None:
    """Written before the package had folders: two studies, two named objectives, a constraint."""
    loaded = FittedPrior.load(Path(__file__).parent / "fitted_prior_version_1.safetensors")
    outcomes = [Outcome("loss", 0, 2), Outcome("speed", 1, 2), Outcome.constraint("memory")]
    assert [task.outcome for task in loaded.prior.tasks] == outcomes * 2
    assert all(task.fingerprint for task in loaded.prior.tasks)
    found = loaded.predict(np.array([[0.0, 0.25]]))[0]
    expected = [-1.37229169, 1.27275874, -1.72645086, -0.71529772, 0.35086665, -1.2925879]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_numbers_to_choose_from_predict_as_they_were_fitted_in_files_of_the_first_version(
    tmp_path: Path,
) -> None:
    """They were categories then; a target's list finds them by value all the same."""
    categories, numbers = Dimension("c", choices=(64, 16)), Dimension.choosing("c", (16, 64, 99))
    cube = Space((categories, *CUBE.dimensions[1:]))
    fitted = replace(FITTED, prior=replace(FITTED.prior, space=cube))
    fitted.save(tmp_path / "new")
    arrays, header = read_arrays(tmp_path / "new", FORMAT, VERSION)
    for dimension in header["dimensions"]:
        del dimension["ordered"], dimension["unit"]
    write_arrays(tmp_path / "old", arrays, FORMAT, 1, header)
    configurations = [{"c": 16, "x": 0.3, "y": 0.1}, {"c": 64, "x": 0.9, "y": 0.4}]
    target = Space((numbers, *CUBE.dimensions[1:]))
    found = FittedPrior.load(tmp_path / "old").predict(target.rows(configurations), target)
    np.testing.assert_allclose(found, fitted.predict(cube.rows(configurations)), rtol=1e-9)
