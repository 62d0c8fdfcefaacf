"""What meta-features are worth: the three commands on small data."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.commands import run_command
from benchmarks.features import payoff
from benchmarks.features import relevance
from benchmarks.tasks.train import GRIDS
from benchmarks.tasks.train import train
from tests.benchmarks.test_training import table


RAW = Path(os.environ.get("OPTUNA_META_DATA", "missing")) / "raw"


def test_every_kind_is_shown_and_timed(tmp_path, capsys):
    """Of a folder with images and ratings, but without any text."""
    rng = np.random.default_rng(0)
    images = bytes(16) + rng.integers(0, 256, 30 * 28 * 28, dtype=np.uint8).tobytes()
    (tmp_path / "fashion_mnist").mkdir()
    for name, data in (("images-idx3", images), ("labels-idx1", bytes(8) + bytes([0, 1, 2] * 10))):
        (tmp_path / f"fashion_mnist/train-{name}-ubyte.gz").write_bytes(gzip.compress(data))
    rows = "".join(f"{i % 5}\t{i % 7}\t{1 + i % 3}\t{i}\n" for i in range(30))
    (tmp_path / "ml100k").mkdir()
    (tmp_path / "ml100k/ml-100k.inter").write_text("user_id:token\titem_id:token\tr\tt\n" + rows)
    run_command("benchmarks.features", ["kinds"], ["kinds", "--data", str(tmp_path)])
    output = capsys.readouterr().out
    assert output.count("is left out: there is no ") == 5
    for line in ("Fashion-MNIST | 30 |", "MovieLens 100k | 30 |", "image.height | 28 |"):
        assert f"| {line}" in output
    if RAW.is_dir():
        run_command("benchmarks.features", ["kinds"], ["kinds", "--data", str(RAW)])
        assert "left out" not in capsys.readouterr().out


def test_all_arms_run_and_are_reported(tmp_path, monkeypatch, capsys):
    axes = GRIDS["svm"].axes | {"C": (0.1, 10.0), "gamma": (0.01, 1.0)}
    monkeypatch.setitem(GRIDS, "svm", GRIDS["svm"]._replace(axes=axes))
    for seed, name in enumerate(("iris", "wine", "tae", "crx")):
        train(tmp_path, "svm", name, table(seed))
    argv = f"payoff --cache {tmp_path} --seeds 1 --trials 3 --prior-trials 4 --jobs 0"
    run_command("benchmarks.features", ["payoff"], argv.split())
    output = capsys.readouterr().out
    assert "4 data sets, 4 replicates" in output and "points (1/100) of balanced" in output
    rows = payoff.run_replicate(tmp_path, "svm", 3, 4, payoff.Replicate("wine", 0))
    by_arm = rows.pivot_table(index="trial", columns="arm", values="regret")
    assert set(by_arm) == set(payoff.ARMS) and (by_arm.diff().dropna() <= 0.0).all(axis=None)
    assert by_arm["none"].equals(by_arm["learned"])  # of fewer than six nothing is learned


def test_differences_are_paired_over_data_sets():
    rows = [
        (*key, arm, trial, regret)
        for *key, none, learned in (("a", 0, 0.6, 0.2), ("a", 1, 0.4, 0.4), ("b", 0, 0.2, 0.2))
        for arm, regret in zip(payoff.ARMS, (none, learned, none, 1.0), strict=True)
        for trial in (1, 2, 3)
    ]
    frame = pd.DataFrame(rows, columns=["task", "seed", "arm", "trial", "regret"])
    shares, points = payoff.report(frame, {"a": 0.5, "b": 0.1}, "x").split("Regret, in points")
    assert "| none | 0.350 ± 0.150 |" in shares and "| none | 13.500 ± 11.500 |" in points
    assert "| learned - none | -0.1000 ± 0.1000 |" in shares  # of -0.2 and 0
    assert "| better / same / worse | 1 / 1 / 0 |" in shares


def test_features_that_tell_the_optimum_help_and_those_of_others_do_not():
    def world(seed, n=24):
        """Data sets whose best configuration is told by the feature ``size``."""
        rng = np.random.default_rng(seed)
        optima = rng.permutation(n) / n
        x = np.repeat(optima, 3) + 0.02 * rng.standard_normal(3 * n)
        Z = np.abs(x[:, None] - optima)
        features = [{"size": 10.0 ** (3 * o), "luck": rng.random()} for o in optima]
        return relevance.World(features, Z, np.repeat(np.arange(n), 3), Z)

    lines = relevance.compared([world(0), world(1)], 6).splitlines()[2:]
    regrets = {line.split("|")[1].strip(): float(line.split("|")[2]) for line in lines}
    assert regrets["by the target itself"] < 0.5 * regrets["no features"]
    assert regrets["learned weights"] < 0.7 * regrets["no features"]
    assert regrets["learned weights, permuted"] == pytest.approx(regrets["no features"], rel=0.15)
    assert regrets["nearest 1, permuted"] > 1.2 * regrets["no features"]
