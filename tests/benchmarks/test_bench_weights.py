from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import weights
from benchmarks import weights_report
from benchmarks.weights_data import digits
from benchmarks.weights_data import FASHION
from benchmarks.weights_data import fashion
from benchmarks.weights_data import Labelled
from benchmarks.weights_training import Batches
from benchmarks.weights_training import best_run
from benchmarks.weights_training import Run


def rows(data: Labelled) -> set[bytes]:
    return {image.numpy().tobytes() for image in data.x}


def write_fashion(folder: Path) -> None:
    """Files of noise in the format of Fashion-MNIST."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for part, n in (("train", 4000), ("t10k", 2000)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            with gzip.open(folder / f"{name}-ubyte.gz", "wb", compresslevel=1) as stream:
                stream.write(head + array.tobytes())


def test_digits_are_kept_apart() -> None:
    domain = digits(shots=5, seed=0)
    parts = [domain.train, domain.valid, domain.test]
    assert [len(part.y) for part in parts[:2]] == [50, 50]
    assert torch.bincount(domain.train.y).tolist() == [5] * 10
    assert len(domain.test.y) == 1797 - 800 - 100
    assert sum(len(rows(part)) for part in parts) == len(set.union(*map(rows, parts)))
    mirrored = next(prior for prior in domain.priors if prior.name == "mirrored")
    plain = rows(Labelled(mirrored.train.x.flip(3).contiguous(), mirrored.train.y))
    assert not plain & set.union(*map(rows, parts))
    assert len(mirrored.train.y) == 600 and len(mirrored.valid.y) == 200
    again, other = digits(shots=5, seed=0), digits(shots=5, seed=1)
    assert torch.equal(again.train.x, domain.train.x)
    assert not torch.equal(other.train.x, domain.train.x)


def test_classes_of_fashion_are_new(tmp_path: Path) -> None:
    write_fashion(tmp_path / FASHION)
    domain = fashion(tmp_path / FASHION, shots=5, seed=0)
    assert domain.train.x.shape == (20, 1, 14, 14) and len(domain.test.y) == 600
    assert domain.train.y.unique().tolist() == [0, 1, 2, 3]
    used = {int(c) for prior in domain.priors for c in prior.name.split("-")}
    assert len(used) <= 6 and len(domain.priors) == 4
    assert not rows(domain.train) & rows(domain.priors[0].train)


def test_batches_are_the_same_each_time_and_cover_the_data() -> None:
    data = Labelled(torch.arange(10.0)[:, None], torch.arange(10))
    batches = Batches(data, seed=0, size=4)
    first, second = ([b.y.tolist() for b, _ in zip(batches, range(3), strict=False)] for _ in "ab")
    assert first == second and sorted(sum(first, [])) == list(range(10))


def test_the_best_run_is_the_most_accurate_then_the_surest() -> None:
    valid = Labelled(torch.zeros(2, 1), torch.tensor([0, 1]))
    tables = [[[0.9, 0.1], [0.8, 0.2]], [[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]]
    runs = [Run(torch.tensor([t]), torch.tensor([t]), lr) for t, lr in zip(tables, (1, 2, 3))]  # noqa: B905
    assert best_run(runs, valid).lr == 3 and best_run(runs[:2], valid).lr == 2


def test_the_first_step_that_reaches_a_value() -> None:
    curve = np.array([0.1, 0.5, 0.4, 0.9])
    assert weights_report._first(curve, 0.5, (0, 2, 5, 10)) == 2.0
    assert weights_report._first(curve, 0.95, (0, 2, 5, 10)) == float("inf")


def test_the_smallest_run_prints_all_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fashion(tmp_path / FASHION)
    out = tmp_path / "curves.csv"
    arguments = ["--smoke", "--seeds", "1", "--shots", "2", "--data", str(tmp_path)]
    weights.main([*arguments, "--out", str(out)])
    printed = capsys.readouterr().out
    assert "## digits, 2 images" in printed and "## fashion, 2 images" in printed
    with open(out) as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 9 + 8  # No joint training where classes differ.
    by_method = {line["method"]: line for line in lines if line["domain"] == "digits"}
    assert all(0.0 <= float(line["5"]) <= 1.0 for line in lines)
    assert float(by_method["scratch"]["prepare"]) == 0.0 < float(by_method["best"]["prepare"])
    assert f"| scratch | {float(by_method['scratch']['0']):.3f} |" in printed
    before = out.read_bytes()
    weights.main([*arguments, "--out", str(out)])  # Nothing is left to do.
    assert out.read_bytes() == before and capsys.readouterr().out == printed
    with pytest.raises(ValueError, match="of another kind of run"):
        weights_report.read(out, (0, 1))
