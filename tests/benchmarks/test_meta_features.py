"""What meta-features are worth: the three commands on small data."""

import argparse
import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from benchmarks.commands import run_command
from benchmarks.features import kinds
from benchmarks.features import payoff
from benchmarks.features import relevance
from benchmarks.tasks.grids import GRIDS
from benchmarks.tasks.raw_data import RAW_DATA
from benchmarks.tasks.train import train
from tests.benchmarks.test_training import table


@pytest.fixture
def folder(tmp_path):
    """A folder with a small data set of each format, but without pros and cons."""
    rng = np.random.default_rng(0)
    for raw in RAW_DATA.values():
        (tmp_path / raw.path).parent.mkdir(parents=True, exist_ok=True)
    images = bytes(16) + rng.integers(0, 256, 30 * 28 * 28, dtype=np.uint8).tobytes()
    labels = bytes(8) + bytes([0, 1, 2] * 10)
    mnist = tmp_path / "fashion_mnist"
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    for name, members in {
        "sentence_polarity": ("rt-polarity.neg", "rt-polarity.pos"),
        "subjectivity": ("plot.tok.gt9.5000", "quote.tok.gt9.5000"),
    }.items():
        with zipfile.ZipFile(tmp_path / f"nltk_text/packages/corpora/{name}.zip", "w") as archive:
            for member in members:
                archive.writestr(f"{name}/{member}", "caf\xe9 noir\n".encode("latin-1") * 4)
    for language in ("en", "de", "cs"):
        text = gzip.compress(b"ein Satz\nnoch einer\n")
        (tmp_path / f"multi30k/data/task1/raw/train.{language}.gz").write_bytes(text)
    rows = "".join(f"{i % 5}\t{i % 7}\t{1 + i % 3}\t{i}\n" for i in range(30))
    (tmp_path / "ml100k/ml-100k.inter").write_text("user_id:token\titem_id:token\tr\tt\n" + rows)
    return tmp_path


def test_every_kind_is_shown_and_timed(folder, tmp_path, capsys):
    run_command("benchmarks.features", [kinds], ["kinds", "--data", str(folder)])
    output = capsys.readouterr().out
    assert "pros and cons is left out: there is no " in output
    for line in (
        "| Fashion-MNIST | 30 | ",
        "| sentence polarity | 8 | ",
        "| Multi30k en-de | 2 | ",
        "| MovieLens 100k | 30 | ",
        "| image.height | 28 |",
        "| text.tokens.mean | 2 | 2 |",
        "| pair.shared_token_ratio | 1 | 1 |",
        "| interaction.rating_mean | 2 |",
        "| text.ridge |  |  |",
    ):
        assert line in output
    kinds.main(argparse.Namespace(data=tmp_path / "nowhere"))
    assert capsys.readouterr().out.count("is left out") == len(RAW_DATA)


def test_all_arms_run_and_are_reported(tmp_path, monkeypatch, capsys):
    axes = GRIDS["svm"].axes | {"C": (0.1, 10.0), "gamma": (0.01, 1.0)}
    monkeypatch.setitem(GRIDS, "svm", GRIDS["svm"]._replace(axes=axes))
    for seed, name in enumerate(("iris", "wine", "tae", "crx")):
        train(tmp_path, "svm", name, table(seed))
    argv = f"payoff --cache {tmp_path} --seeds 1 --trials 3 --prior-trials 4 --jobs 0"
    run_command("benchmarks.features", [payoff], argv.split())
    output = capsys.readouterr().out
    assert "4 data sets, 4 replicates" in output and "points (1/100) of balanced" in output
    rows = payoff.run_replicate(tmp_path, "svm", 3, 4, payoff.Replicate("wine", 0))
    by_arm = rows.pivot_table(index="trial", columns="arm", values="regret")
    assert set(by_arm) == set(payoff.ARMS) and (by_arm.diff().dropna() <= 0.0).all(axis=None)
    assert by_arm["none"].equals(by_arm["learned"])  # of fewer than six nothing is learned


def test_differences_are_paired_over_data_sets():
    regrets = {("a", 0): (0.6, 0.2), ("a", 1): (0.4, 0.4), ("b", 0): (0.2, 0.2)}
    rows = [
        (*key, arm, trial, regret)
        for key, (none, learned) in regrets.items()
        for arm, regret in zip(payoff.ARMS, (none, learned, none, 1.0), strict=True)
        for trial in (1, 2, 3)
    ]
    frame = pd.DataFrame(rows, columns=["task", "seed", "arm", "trial", "regret"])
    shares, points = payoff.report(frame, {"a": 0.5, "b": 0.1}, "x").split("Regret, in points")
    assert "| none | 0.350 ± 0.150 |" in shares
    assert "| learned - none | -0.1000 ± 0.1000 |" in shares  # of -0.2 and 0
    assert "| better / same / worse | 1 / 1 / 0 |" in shares
    assert "| none | 13.500 ± 11.500 |" in points  # of 25 and 2
    assert "| learned - none | -5.0000 ± 5.0000 |" in points


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
    for weigh in relevance.WEIGHTINGS.values():
        weights = weigh(world(0), np.arange(1, 21), 0)
        assert (weights >= 0.0).all() and weights.sum() == pytest.approx(1.0)
