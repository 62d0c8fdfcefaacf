from __future__ import annotations

import enum
import itertools
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_meta._optuna import contains
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.nearest import nearest
from optuna_meta.space.search_space import Space


NUMERIC = {
    "float": FloatDistribution(-2.0, 3.0),
    "float log": FloatDistribution(1e-5, 1e-1, log=True),
    "float step": FloatDistribution(0.0, 0.3, step=0.1),
    "float step, cut": FloatDistribution(-1.0, 0.8, step=0.3),
    "float tiny": FloatDistribution(1.0, 1.0 + 1e-12),
    "float tiny log": FloatDistribution(1.0, math.nextafter(1.0, 2.0), log=True),
    "float wide log": FloatDistribution(1e-300, 1e300, log=True),
    "float single": FloatDistribution(0.7, 0.7),
    "float single log": FloatDistribution(0.7, 0.7, log=True),
    "int": IntDistribution(-3, 9),
    "int step": IntDistribution(1, 9, step=4),
    "int log": IntDistribution(1, 1000, log=True),
    "int single": IntDistribution(5, 5),
    "int single log": IntDistribution(5, 5, log=True),
    "int huge": IntDistribution(0, 10**20),
    "int narrow and huge": IntDistribution(2**53 + 2, 2**53 + 8),
    "int huge log": IntDistribution(1, 10**18, log=True),
}
CATEGORICAL = {
    "str": CategoricalDistribution(["a", "b", "c"]),
    "mixed": CategoricalDistribution([None, True, "1", 2, 0.5]),
    "nan": CategoricalDistribution([math.nan, 1.0, "nan"]),
    "one": CategoricalDistribution(["only"]),
}
NUMBERS = {
    "ints": CategoricalDistribution([10_000, 30_000, 50_000]),
    "floats": CategoricalDistribution([1e-4, 3e-4, 1e-3, 1e-2]),
    "ints and floats": CategoricalDistribution([1, 2.0, 2.5, 64]),
    "in any order": CategoricalDistribution([64, 1, 128, 8]),
    "with zero": CategoricalDistribution([1e-3, 0, 1e-5, 1e-4]),
    "negative": CategoricalDistribution([1, -1, 10, -10, 0]),
    "one number": CategoricalDistribution([8]),
    "huge": CategoricalDistribution([1, 10**30, 10**300]),
    "numpy's": CategoricalDistribution([np.float64(0.5), np.float64(0.25), 2]),
}


class Kernel(enum.IntEnum):
    LINEAR = 0
    RBF = 1


NO_ORDER = {
    "truth values": [True, 1, 2],
    "strings": ["1", 2],
    "none": [None, 16, 32],
    "nan": [math.nan, 1.0, 2.0],
    "infinite": [3, 5, math.inf],
    "beyond floats": [1, 10**400],
    "the same as floats": [2**53, 2**53 + 1],
    "not told apart": [1.0, 1.0 + 1e-9, 2.0],
    "beyond any scale": [0.0, 1e-300, 1.0],
    "members of an enumeration": list(Kernel),
}


def cell_of(dimension: Dimension, value: Any) -> float:
    return float(dimension.encode([value])[0])


def grid_of(distribution: FloatDistribution | IntDistribution) -> list[Any]:
    """Valid values: the ends and, if there are few, everything between."""
    low, high, step = distribution.low, distribution.high, distribution.step or 0
    if step and (high - low) / step < 50:
        n = round((high - low) / step)
        return [min(low + i * step, high) for i in range(n + 1)]
    middle = math.sqrt(low) * math.sqrt(high) if distribution.log else (low + high) / 2
    between = round(middle) if isinstance(distribution, IntDistribution) else middle
    return [low, min(max(between, low), high), high]


def same(a: Any, b: Any) -> bool:
    return (a == b and type(a) is type(b)) or (a != a and b != b)


@pytest.mark.parametrize("kind", NUMERIC)
def test_valid_numbers_survive_encoding(kind: str) -> None:
    distribution = NUMERIC[kind]
    dimension = Dimension.from_distribution("x", distribution)
    for value in grid_of(distribution):
        cell = cell_of(dimension, value)
        back = dimension.value(cell)
        assert type(back) is (int if isinstance(distribution, IntDistribution) else float)
        assert back == pytest.approx(value, rel=1e-12)
        assert contains(distribution, back)
        assert dimension.snap(np.array([cell]))[0] == pytest.approx(cell, abs=1e-12)


@pytest.mark.parametrize("kind", NUMERIC)
def test_the_ends_are_exact(kind: str) -> None:
    distribution = NUMERIC[kind]
    dimension = Dimension.from_distribution("x", distribution)
    assert cell_of(dimension, distribution.low) == 0.0
    assert dimension.value(0.0) == distribution.low
    assert cell_of(dimension, distribution.high) == float(distribution.low < distribution.high)
    assert dimension.value(1.0) == distribution.high


@pytest.mark.parametrize("kind", NUMERIC)
def test_whatever_is_snapped_is_valid(kind: str) -> None:
    distribution = NUMERIC[kind]
    dimension = Dimension.from_distribution("x", distribution)
    rng = np.random.default_rng(0)
    edges = [0.0, 1.0, -0.5, 1.5, 1e-17, 1e-9, 1.0 - 1e-16, math.nextafter(0.0, 1.0)]
    snapped = dimension.snap(np.array([*edges, *rng.random(50)]))
    assert ((snapped >= 0.0) & (snapped <= 1.0)).all()
    assert all(contains(distribution, dimension.value(cell)) for cell in snapped)
    np.testing.assert_allclose(dimension.snap(snapped), snapped, atol=1e-12)


@pytest.mark.parametrize("kind", ["float step", "float step, cut", "int", "int step"])
def test_snapping_takes_the_nearest(kind: str) -> None:
    distribution = NUMERIC[kind]
    dimension = Dimension.from_distribution("x", distribution)
    valid = np.array(grid_of(distribution), dtype=float)
    for cell in np.random.default_rng(1).random(50):
        number = dimension.numbers(np.array([cell]))[0]
        snapped = dimension.value(dimension.snap(np.array([cell]))[0])
        assert abs(snapped - number) <= np.abs(valid - number).min() + 1e-9


@pytest.mark.parametrize("kind", CATEGORICAL)
def test_choices_survive_encoding(kind: str) -> None:
    distribution = CATEGORICAL[kind]
    dimension = Dimension.from_distribution("x", distribution)
    for i, choice in enumerate(distribution.choices):
        assert cell_of(dimension, choice) == i
        assert same(dimension.value(i), choice)
    assert cell_of(dimension, "something else") == UNSEEN
    assert dimension.size == len(distribution.choices)


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_to_choose_from_are_numbers_and_stay_the_users_objects(kind: str) -> None:
    dimension = Dimension.from_distribution("x", NUMBERS[kind])
    choices = sorted(NUMBERS[kind].choices)
    cells = dimension.encode(choices)
    assert not dimension.is_categorical and dimension.size == len(choices)
    assert cells[0] == 0.0 and (np.diff(cells) > 1e-6).all() and (cells <= 1.0).all()
    np.testing.assert_array_equal(dimension.ladder, cells)
    np.testing.assert_array_equal(dimension.snap(cells), cells)
    np.testing.assert_allclose(dimension.numbers(cells), [float(c) for c in choices], rtol=1e-9)
    for choice, cell in zip(choices, cells, strict=True):
        assert same(dimension.value(cell), choice)
    drawn = dimension.snap(np.append(np.random.default_rng(0).random(50), [-3.0, 4.0, np.nan]))
    assert set(drawn[:-1].tolist()) <= set(cells.tolist()) and np.isnan(drawn[-1])
    assert np.isnan(dimension.encode([NOTHING, None, "1", True, math.nan, math.inf])).all()


def test_the_nearest_number_to_choose_is_nearest_on_the_lists_scale() -> None:
    dimension = Dimension.from_distribution("x", CategoricalDistribution([1000, 2000, 32_000]))
    snapped = dimension.snap(dimension.encode([1, 1300, 1500, 6000, 10_000, 10**9]))
    assert [dimension.value(c) for c in snapped] == [1000, 1000, 2000, 2000, 32_000, 32_000]


@pytest.mark.parametrize("choices", NO_ORDER.values(), ids=NO_ORDER)
def test_what_is_no_number_or_not_told_apart_has_no_order(choices: list[Any]) -> None:
    dimension = Dimension.choosing("x", choices)
    assert dimension.is_categorical
    assert [dimension.value(c) for c in dimension.encode(choices)] == pytest.approx(
        choices, nan_ok=True
    )


@pytest.mark.parametrize("choices", [["a", "b", "a"], [2, 1, 2.0, 1]], ids=repr)
def test_a_choice_that_is_listed_twice_is_one(choices: list[Any]) -> None:
    dimension = Dimension.from_distribution("x", CategoricalDistribution(choices))
    assert dimension.choices == tuple(choices[:2]) and dimension.size == 2
    values = [dimension.value(cell) for cell in dimension.ladder]
    assert [type(v) for v in values] == [type(v) for v in choices[:2]]
    assert values == sorted(choices[:2])


@pytest.mark.parametrize(
    "distribution", [*NUMERIC.values(), *CATEGORICAL.values(), *NUMBERS.values()], ids=repr
)
def test_distribution_and_dimension_are_inverse(distribution: BaseDistribution) -> None:
    dimension = Dimension.from_distribution("x", distribution)
    assert repr(dimension.distribution()) == repr(distribution)
    assert dimension.size == 1 if distribution.single() else dimension.size > 1


@pytest.mark.parametrize(
    ("kind", "size"),
    [("float", math.inf), ("float step", 4), ("float step, cut", 7), ("int", 13), ("int step", 3)],
)
def test_size_counts_the_values(kind: str, size: float) -> None:
    assert Dimension.from_distribution("x", NUMERIC[kind]).size == size


def test_true_is_not_one_and_one_is_one_point_zero() -> None:
    dimension = Dimension("x", choices=(True, 1, False, 0, "1", None))
    values = [True, 1, 1.0, np.int64(1), np.bool_(True), False, 0, 0.0, "1", None, "None"]
    expected = [0, 1, 1, 1, 0, 2, 3, 3, 4, 5, UNSEEN]
    assert dimension.encode(values).tolist() == expected


def test_a_list_is_the_tuple_that_json_made_of_it() -> None:
    assert cell_of(Dimension("x", choices=((8, 8), (16,))), [16]) == 1
    assert cell_of(Dimension("x", choices=((8, 8), (1, 0))), [True, False]) == UNSEEN


@pytest.mark.parametrize("value", [None, "0.5", True, math.nan, math.inf, -math.inf, [1]])
def test_what_is_no_number_has_no_numeric_cell(value: Any) -> None:
    assert math.isnan(cell_of(Dimension("x"), value))
    assert math.isnan(cell_of(Dimension("x", 0.1, 1.0, log=True), value))


def test_numbers_out_of_range_keep_their_place() -> None:
    linear, log = Dimension("x", 1.0, 3.0), Dimension("x", 1.0, 100.0, log=True)
    assert linear.encode([0.0, 5.0]).tolist() == [-0.5, 2.0]
    assert log.encode([0.1, 1e4]) == pytest.approx([-0.5, 2.0])
    assert log.value(2.0) == pytest.approx(1e4)
    assert np.isnan(log.encode([0.0, -1.0])).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 2.0, "high": 1.0}, "'x' needs finite bounds with low <= high, got low=2.0"),
        ({"low": math.nan}, "'x' needs finite bounds"),
        ({"high": math.inf}, "'x' needs finite bounds"),
        ({"log": True}, "'x' is logarithmic but has low=0.0"),
        ({"choices": ()}, "'x' needs at least one choice, got none"),
    ],
)
def test_impossible_dimensions_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dimension("x", **arguments)


def test_an_unknown_distribution_is_refused() -> None:
    class Strange(BaseDistribution):
        pass

    Strange.__abstractmethods__ = frozenset()
    with pytest.raises(ValueError, match="'x' has an unknown distribution .*Strange"):
        Dimension.from_distribution("x", Strange())


SPACE = Space(
    (
        Dimension("c", choices=("a", "b")),
        Dimension("n", 1, 9, step=2.0, integer=True),
        Dimension("x", 1e-4, 1.0, log=True),
    )
)


def test_rows_hold_nan_for_what_a_configuration_lacks() -> None:
    row = SPACE.row({"x": 1e-2, "c": "b", "unknown": 3})
    assert row[0] == 1.0 and math.isnan(row[1]) and row[2] == pytest.approx(0.5)
    assert SPACE.params(row) == {"c": "b", "x": pytest.approx(1e-2)}
    assert SPACE.params(SPACE.row({"c": "new", "n": 3})) == {"n": 3}


def test_rows_are_the_rows_of_each_configuration() -> None:
    configurations = [{"x": 0.1, "n": 5}, {}, {"c": "b", "n": None, "x": 0}]
    rows = SPACE.rows(configurations)
    np.testing.assert_array_equal(rows, [SPACE.row(c) for c in configurations])
    assert SPACE.rows([]).shape == (0, 3)
    assert Space().rows([{}, {}]).shape == (2, 0)
    assert Space().snap(np.zeros((2, 0))).shape == (2, 0)


def test_a_space_is_sorted_by_name_and_counts_its_rows() -> None:
    space = Space.from_distributions({"b": NUMERIC["int"], "a": CATEGORICAL["str"]})
    assert space.names == ("a", "b") and space.index("b") == 1
    assert space.size == 3 * 13 and SPACE.size == math.inf and Space().size == 1


def test_snapping_a_space_snaps_each_column() -> None:
    rows = np.array([[1.0, 0.3, 2.0], [UNSEEN, np.nan, -1.0]])
    snapped = SPACE.snap(rows)
    np.testing.assert_array_equal(snapped, [[1.0, 0.25, 1.0], [UNSEEN, np.nan, 0.0]])


def union_of(*distributions: BaseDistribution) -> Dimension:
    studies = [[Dimension.from_distribution("x", d)] for d in distributions]
    return Space.union(studies).dimensions[0]


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (
            [FloatDistribution(0.1, 1.0), FloatDistribution(0.01, 0.5, log=True)],
            FloatDistribution(0.01, 1.0, log=True),
        ),
        (
            [FloatDistribution(0.0, 1.0), FloatDistribution(0.01, 0.5, log=True)],
            FloatDistribution(0.0, 1.0),
        ),
        (
            [FloatDistribution(0, 1, step=0.25), FloatDistribution(0.5, 2, step=0.25)],
            FloatDistribution(0, 2, step=0.25),
        ),
        (
            [FloatDistribution(0, 1, step=0.25), FloatDistribution(0.1, 1.1, step=0.25)],
            FloatDistribution(0, 1.1),
        ),
        (
            [FloatDistribution(0, 1, step=0.25), FloatDistribution(0.25, 0.25)],
            FloatDistribution(0, 1, step=0.25),
        ),
        ([IntDistribution(1, 3), IntDistribution(2, 5)], IntDistribution(1, 5)),
        (
            [IntDistribution(0, 12, step=6), IntDistribution(4, 12, step=4)],
            IntDistribution(0, 12, step=2),
        ),
        (
            [IntDistribution(1, 9, step=4), IntDistribution(1, 64, log=True)],
            IntDistribution(1, 64, log=True),
        ),
        ([IntDistribution(1, 3), FloatDistribution(0.5, 2)], FloatDistribution(0.5, 3)),
        ([IntDistribution(7, 7), IntDistribution(7, 7)], IntDistribution(7, 7)),
        (
            [CategoricalDistribution(["a", 1]), CategoricalDistribution([1.0, True, "b"])],
            CategoricalDistribution(["a", 1, True, "b"]),
        ),
        (
            [CategoricalDistribution([50, 10, 30]), CategoricalDistribution([1, 2.0, 10.0])],
            CategoricalDistribution([50, 10, 30, 1, 2.0]),
        ),
        (
            [CategoricalDistribution([16, 64, 32]), IntDistribution(8, 40)],
            IntDistribution(8, 64, log=True),
        ),
        (
            [CategoricalDistribution([1, 2, 3]), FloatDistribution(0.0, 2.5)],
            FloatDistribution(0.0, 3.0),
        ),
        (
            [CategoricalDistribution([0.1, 0.2]), FloatDistribution(1e-3, 0.5, log=True)],
            FloatDistribution(1e-3, 0.5, log=True),
        ),
        (
            [CategoricalDistribution([8, 16]), IntDistribution(32, 32)],
            CategoricalDistribution([8, 16, 32]),
        ),
        (
            [CategoricalDistribution([None, 8, 16])] * 2 + [CategoricalDistribution([16, 32])],
            CategoricalDistribution([None, 8, 16, 32]),
        ),
    ],
    ids=repr,
)
def test_union_is_the_widest_range(parts: list[BaseDistribution], whole: BaseDistribution) -> None:
    assert repr(union_of(*parts).distribution()) == repr(whole)
    assert union_of(*parts, *parts) == union_of(*parts)


def test_the_kind_of_most_studies_wins() -> None:
    numbers, names = IntDistribution(1, 3), CategoricalDistribution(["1", "2"])
    assert union_of(numbers, names, names).is_categorical
    assert not union_of(numbers, numbers, names).is_categorical
    # A study with many ranges is still one study.
    drifting = [Dimension("x", 0, high) for high in (1.0, 2.0, 3.0, 4.0)]
    choices = [Dimension("x", choices=("1", "2"))]
    assert Space.union([drifting, choices, choices]).dimensions[0].is_categorical


def test_a_zero_on_a_list_does_not_make_the_others_scale_linear() -> None:
    off = CategoricalDistribution([0, 1e-4, 1e-3])
    whole = union_of(off, FloatDistribution(1e-6, 1e-2, log=True))
    assert (whole.low, whole.high, whole.choices) == (0.0, 1e-2, None)
    cells = whole.encode([0, 1e-6, 1e-4, 1e-3, 1e-2])
    assert cells[0] == 0.0 and cells[1] > 0.1 and (np.diff(cells[1:]) > 0.1).all()
    assert (
        repr(whole.distribution()) == "FloatDistribution(high=0.01, log=False, low=0.0, step=None)"
    )
    # A range that reaches zero is linear because its user said so.
    assert not union_of(off, FloatDistribution(0.0, 1e-2)).log


def test_numbers_that_studies_list_are_told_apart_also_where_they_nearly_agree() -> None:
    whole = union_of(
        CategoricalDistribution([0.3, 1.0]), CategoricalDistribution([0.1 + 0.2, 2.0])
    )
    assert not whole.is_categorical and np.ptp(whole.encode([0.3, 0.1 + 0.2])) < 1e-12


def test_union_is_sorted_and_has_every_parameter_once() -> None:
    a, b = Dimension("a"), Dimension("b")
    assert Space.union([[b], [a, b]]).dimensions == (a, b)
    assert Space.union([]) == Space()


KINDS = {
    "float": Dimension("x", 1.0, 64.0),
    "log": Dimension("x", 1.0, 128.0, log=True),
    "int": Dimension("x", 8, 64, step=8.0, integer=True),
    "choices": Dimension("x", choices=(16, 32, 64)),
    "numbers": Dimension.choosing("x", (64, 16, 32)),
    "strings": Dimension("x", choices=("16", "32")),
}


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(KINDS, 2)))
def test_translation_is_decoding_and_encoding(source: str, target: str) -> None:
    configurations = [{"x": v} for v in (16, 32, 64, 24, "16")] + [{}]
    from_, to = Space((KINDS[source],)), Space((KINDS[target],))
    rows = from_.rows(configurations)
    rows = from_.snap(rows) if source == "numbers" else rows  # Elsewhere no value is theirs.
    decoded = [from_.params(row) for row in rows]
    expected = to.rows([{k: c["x"] for k in c} for c in decoded])
    translated = to.translate(rows, from_)
    lost = (rows == UNSEEN) if from_.dimensions[0].is_categorical else np.zeros_like(rows, bool)
    unseen = UNSEEN if to.dimensions[0].is_categorical else np.nan
    expected = np.where(lost, unseen, expected)
    if source == "log" and target == "choices":  # Decoding rounds: 16.000000000000004 is 16.
        expected[:3, 0] = [0, 1, 2]
    np.testing.assert_allclose(translated, expected, atol=1e-9)


def test_translation_matches_by_name() -> None:
    old = Space((Dimension("gone"), Dimension("kept", 0.0, 2.0)))
    new = Space((Dimension("kept", 0.0, 1.0), Dimension("added")))
    np.testing.assert_array_equal(
        new.translate(np.array([[0.5, 0.25], [0.5, np.nan]]), old), [[0.5, np.nan], [np.nan] * 2]
    )
    assert new.translate(np.zeros((0, 2)), old).shape == (0, 2)


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (FloatDistribution(0, 1), 0.3, 0.3),
        (FloatDistribution(0, 1), 7, 1.0),
        (FloatDistribution(1e-3, 1, log=True), -2.0, 1e-3),
        (FloatDistribution(0, 1, step=0.25), 0.4, 0.5),
        (FloatDistribution(0, 0.3, step=0.1), 5.0, 0.3),
        (IntDistribution(1, 9, step=4), 6, 5),
        (IntDistribution(1, 9), np.float32(3.4), 3),
        (IntDistribution(1, 100, log=True), 55.2, 55),
        (IntDistribution(0, 3), True, NOTHING),
        (IntDistribution(0, 3), "2", NOTHING),
        (FloatDistribution(0, 1), math.nan, NOTHING),
        (FloatDistribution(0, 1), math.inf, NOTHING),
        (FloatDistribution(0, 1), None, NOTHING),
        (CategoricalDistribution([10000, 30000]), "8000", NOTHING),
        (CategoricalDistribution([10000, 30000]), 8000, 10000),
        (CategoricalDistribution([10000, 30000]), True, NOTHING),
        (CategoricalDistribution([10000, 30000]), math.inf, NOTHING),
        (CategoricalDistribution([10000, 30000]), 30000.0, 30000),
        (CategoricalDistribution([None, "a"]), None, None),
        (CategoricalDistribution([True, 1]), 1, 1),
    ],
)
def test_nearest_value(distribution: BaseDistribution, value: Any, expected: Any) -> None:
    found = nearest(distribution, value)
    assert found is NOTHING if expected is NOTHING else same(found, expected)


@pytest.mark.parametrize("kind", NUMERIC)
def test_the_nearest_value_of_a_valid_one_is_itself(kind: str) -> None:
    for value in grid_of(NUMERIC[kind]):
        # Optuna keeps integers as floats: beyond 2 ** 53 it does not tell neighbours apart.
        assert nearest(NUMERIC[kind], value) == pytest.approx(value, rel=1e-15, abs=0)


def test_translation_to_the_same_space_is_exact() -> None:
    dimensions = (Dimension("x", 1e-5, 0.3, log=True), Dimension("c", choices=("a", 2, None)))
    space, rows = Space(dimensions), np.array([[0.123456789, 2.0], [1.5, UNSEEN], [np.nan] * 2])
    np.testing.assert_array_equal(Space(tuple(dimensions)).translate(rows, space), rows)
    rows[0, 0] = 0.0
    assert space.translate(rows, space)[0, 0] == 0.0


def test_equal_choices_of_different_kinds_are_not_the_same() -> None:
    truths, numbers = (Space((Dimension("c", choices=c),)) for c in ((True, False), (1, 0)))
    assert truths == numbers  # To Python.
    assert numbers.translate(np.array([[0.0], [1.0]]), truths).tolist() == [[UNSEEN], [UNSEEN]]


def test_the_largest_floats_are_told_apart_without_a_warning() -> None:
    numbers = Space((Dimension("x", -1.7e308, 0.0),))
    choices = Space((Dimension("x", choices=(None, 1e308, 0.0)),))
    translated = choices.translate(np.array([[0.0], [1.0]]), numbers)
    assert translated.tolist() == [[UNSEEN], [2.0]]


def test_a_grid_finer_than_floats_is_a_continuum_to_optuna() -> None:
    assert Dimension("x", 0.0, 1e30, step=1.0).distribution() == FloatDistribution(0.0, 1e30)
    assert Dimension("x", 0.0, 8.0, step=2.0).distribution() == FloatDistribution(0, 8, step=2.0)
