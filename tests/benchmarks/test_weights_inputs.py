from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.weights import inputs
from benchmarks.weights import methods
from benchmarks.weights.domains import images
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the benchmark runs: two threads on busy cores took fifteen times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_each_kind_is_what_its_name_says() -> None:
    x = np.linspace(0.0, 1.0, 2 * 64).reshape(2, 1, 8, 8).astype(np.float32)
    made = {kind: change(x, np.random.default_rng(0)) for kind, change in inputs.KINDS.items()}
    assert made["times 255"].max() == 255.0 and made["plus 5"].min() == 5.0
    assert made["inverted"][0, 0, 0, 0] == 1.0 and made["plain"] is x
    assert made["standardised"].mean() == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(
        made["each image standardised"].std((1, 2, 3)), [1.0, 1.0], rtol=1e-5
    )
    assert made["times 10, minus 3"].max() == 7.0


def test_reversed_labels_are_of_the_same_images() -> None:
    made = {task.name: task for task in inputs.make_domain(0).priors}
    ((own, other),) = [(made["plain"].train, made[inputs.REVERSED].train)]
    by_class = images.digits(Path(), 6, 0, inputs.KINDS).priors
    (before,) = [task.train for task in by_class if task.name == inputs.REVERSED]
    assert torch.equal(other.x, before.x) and torch.equal(other.y, 9 - before.y)
    assert sorted(own.y.tolist()) == sorted(other.y.tolist())


def test_starts_are_ranked_and_trained_to_their_ends() -> None:
    names = ("plain", "plus 5")
    domain = images.digits(Path(), 2, 0, {name: inputs.KINDS[name] for name in names})
    domain = domain._replace(checks=(0, 2), rates=(1e-3,), prior_steps=2)
    quick = ShortTraining(steps=20, folds=2, rates=(4e-3,), divisions=1)
    rules = {str(h): ShortlistThenTrain(short_training=quick, handicap=h) for h in (1.0, 20.0)}
    rows = pd.DataFrame(inputs.measure(domain, 0, rules), columns=[*inputs.COLUMNS])
    assert len(rows) == 2 * 2 * 2 and set(rows["kind"]) == set(names)
    assert rows[["gain 0", "gain 1"]].abs().to_numpy().max() < 1.0
    # Too much for 360 planned steps: no start is tried.
    assert not rows.loc[(rows["rule"] == "20.0") & (rows["planned"] == 360), "chosen"].any()


def test_a_start_from_other_inputs_that_ends_lower_is_not_chosen(tmp_path: Path) -> None:
    """Nor one from reversed labels; a level start is, and three folds once let one through."""
    domain, kinds = inputs.make_domain(36), ("plain", "plus 5", "times 255", inputs.REVERSED)
    domain = domain._replace(priors=[task for task in domain.priors if task.name in kinds])
    bench = methods.Bench(domain, inputs._sources(domain, 36, tmp_path), 36)
    ends = inputs._ends(replace(bench, seed=1036))
    assert ends["plus 5"] < 0.0 and ends["times 255"] < 0.0 and ends["plain"] > 0.02
    fitting = ShortlistThenTrain().within(360)
    assert fitting is not None and inputs._better(bench, fitting) == {"plain"}
    before = ShortlistThenTrain(handicap=2.0).within(360)
    assert before is not None and inputs._better(bench, before) == {"plain", "plus 5"}


def test_scratch_has_a_second_rate_only_where_a_start_has_one() -> None:
    rule = inputs.TwoRates(handicap=2.0)
    assert rule.scratch_training.rates == rule.short_training.rates
    fitting = rule.within(360)
    assert fitting is not None and fitting.cost <= 180
    (rate,) = fitting.short_training.rates
    assert fitting.scratch_training.rates == (rate, 4.0 * rate)


def test_the_tables_tell_what_was_chosen_and_how_it_ended() -> None:
    made = [
        ("digits", 0, "plain", "a", 0, 1, 0.11, 0.09),
        ("digits", 0, "plain", "b", 0, 0, 0.11, 0.09),
        ("digits", 0, "inverted", "a", 0, 1, -0.05, -0.03),
        ("digits", 0, "inverted", "b", 0, 0, -0.05, -0.03),
        ("digits", 0, "plus 5", "a", 0, 1, 0.01, -0.03),  # Within the noise.
        ("digits", 0, "plus 5", "b", 0, 1, 0.01, -0.03),
    ]
    lines = inputs.report(pd.DataFrame(made, columns=[*inputs.COLUMNS])).splitlines()
    noise = ((0.01**2 + 0.01**2 + 0.02**2) / 3) ** 0.5
    assert 0.01 < 2.0 * noise < 0.04
    assert lines[0].startswith("Seeds 0: 3 starts, 1 of them wrong and 1 good")
    assert f"is {noise:.3f}." in lines[0]
    assert lines[4:6] == [
        "| a | no bound | 1 | 1 | +0.0167 |  |",
        "| b | no bound | 0 | 0 | -0.0033 | -0.0200 |",
    ]
    assert lines[9:] == [
        "| plain | +0.1000 | +0.100 | 1 | 0 |",
        "| inverted | -0.0400 | -0.040 | 1 | 0 |",
        "| plus 5 | -0.0100 | -0.010 | 1 | 1 |",
    ]
