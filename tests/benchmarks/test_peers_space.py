import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from benchmarks.methods.peers.flat import FlatSpace
from benchmarks.methods.peers.parameters import fit
from benchmarks.methods.peers.parameters import merge
from benchmarks.methods.peers.space import Encoder
from benchmarks.methods.peers.space import Space


DISTRIBUTIONS = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 4),
    "kind": CategoricalDistribution([1, True, "a", None]),
}


def test_values_are_moved_to_the_nearest_allowed_ones():
    space = {**DISTRIBUTIONS, "even": IntDistribution(0, 8, step=2), "q": FloatDistribution(0, 1)}
    assert fit({"rate": 7.0, "depth": 0, "even": 7.2, "q": 0.3}, space) == {
        "rate": 1.0,
        "depth": 1,
        "even": 8,
        "q": 0.3,
    }
    assert fit({"even": 99}, space) == {"even": 8}
    assert fit({"kind": "b", "rate": "a", "depth": True, "q": float("nan"), "z": 1}, space) == {}


@pytest.mark.parametrize("index", range(4))
def test_equal_choices_of_different_types_stay_apart(index):
    choice = DISTRIBUTIONS["kind"].choices[index]
    assert fit({"kind": choice}, DISTRIBUTIONS)["kind"] is choice
    assert Encoder({"kind": DISTRIBUTIONS["kind"]}).rows([{"kind": choice}]) == [[index]]
    flat = FlatSpace(DISTRIBUTIONS)
    assert flat.params(flat.flat({"kind": choice}))["kind"] is choice


def test_merged_ranges_are_the_widest_and_conflicts_are_left_out():
    other = {
        "rate": FloatDistribution(1e-2, 10.0, log=True),
        "depth": CategoricalDistribution(["x"]),
        "kind": CategoricalDistribution(["b", "a"]),
        "more": FloatDistribution(0, 1),
    }
    merged = merge([DISTRIBUTIONS, other])
    assert merged["rate"] == FloatDistribution(1e-4, 10.0, log=True)
    assert merged["kind"].choices == (1, True, "a", None, "b")
    assert "depth" not in merged
    assert merged["more"] == other["more"]
    assert merge([DISTRIBUTIONS, DISTRIBUTIONS]) == DISTRIBUTIONS


def test_rows_span_the_unit_interval_on_the_logarithm():
    encoder = Encoder({"rate": DISTRIBUTIONS["rate"]})
    rows = encoder.rows([{"rate": 1e-4}, {"rate": 1e-2}, {"rate": 1.0}, {}])
    assert rows[:, 0] == pytest.approx([0.0, 0.5, 1.0, 0.5])


def test_one_hot_rows_have_a_column_for_each_choice():
    encoder = Encoder(DISTRIBUTIONS)
    rows = encoder.rows([{"rate": 1.0, "depth": 4, "kind": "a"}, {"rate": 1.0, "depth": 4}])
    hot = encoder.one_hot(rows)
    assert hot[:, 2:].tolist() == [[0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(hot[:, :2], rows[:, :2])


def conditional():
    kernel = CategoricalDistribution(["linear", "rbf"])
    distributions = {
        "cost": FloatDistribution(0, 1),
        "gamma": FloatDistribution(0, 1),
        "kernel": kernel,
    }
    seen = [{"kernel": "linear", "cost": 0.1}, {"kernel": "rbf", "cost": 0.1, "gamma": 0.2}]
    return Space(distributions, seen)


def test_what_was_never_seen_beside_a_choice_is_inactive_there():
    space, rng = conditional(), np.random.default_rng(0)
    drawn = space.random(50, rng) + space.neighbours([{"kernel": "linear", "cost": 0.1}], 50, rng)
    assert {p["kernel"] for p in drawn} == {"linear", "rbf"}
    assert all(("gamma" in p) == (p["kernel"] == "rbf") for p in drawn)


def test_neighbours_are_near_and_inside():
    space = Space(DISTRIBUTIONS, [])
    base = {"rate": 1e-4, "depth": 4, "kind": "a"}
    near = space.neighbours([base], 300, np.random.default_rng(0))
    assert all(1e-4 <= p["rate"] <= 1.0 and 1 <= p["depth"] <= 4 for p in near)
    same = [sum(p[name] is base[name] or p[name] == base[name] for name in base) for p in near]
    assert np.mean(same) > 1.2  # random configurations share less than half a value
    assert len({p["depth"] for p in near}) > 1


def test_random_integers_have_equal_shares():
    drawn = [p["depth"] for p in Space(DISTRIBUTIONS, []).random(4000, np.random.default_rng(0))]
    shares = np.bincount(drawn, minlength=5)[1:] / 4000
    np.testing.assert_allclose(shares, 0.25, atol=0.03)


def test_a_flat_space_fills_in_what_is_missing():
    assert FlatSpace(DISTRIBUTIONS).flat({"depth": 9}) == {
        "rate": pytest.approx(1e-2),
        "depth": 4,
        "kind": "1",
    }
