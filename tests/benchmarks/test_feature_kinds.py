from __future__ import annotations

import gzip
from pathlib import Path
import zipfile

import numpy as np
import pytest

from benchmarks.features import kinds as feature_kinds
from benchmarks.tasks.raw_data import RAW_DATA
from optuna_meta.features import Interactions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small data set of each format, but without pros and cons."""
    rng = np.random.default_rng(0)
    for raw in RAW_DATA.values():
        (tmp_path / raw.path).parent.mkdir(parents=True, exist_ok=True)
    images = bytes(16) + rng.integers(0, 256, 30 * 28 * 28, dtype=np.uint8).tobytes()
    labels = bytes(8) + bytes([0, 1, 2] * 10)
    mnist = tmp_path / "fashion_mnist"
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    corpora = tmp_path / "nltk_text/packages/corpora"
    for name, members in {
        "sentence_polarity": ("rt-polarity.neg", "rt-polarity.pos"),
        "subjectivity": ("plot.tok.gt9.5000", "quote.tok.gt9.5000"),
    }.items():
        with zipfile.ZipFile(corpora / f"{name}.zip", "w") as archive:
            for member in members:
                archive.writestr(f"{name}/{member}", "caf\xe9 noir\n".encode("latin-1") * 4)
    for language in ("en", "de", "cs"):
        text = gzip.compress(b"ein Satz\nnoch einer\n")
        (tmp_path / "multi30k/data/task1/raw" / f"train.{language}.gz").write_bytes(text)
    rows = "".join(f"{i % 5}\t{i % 7}\t{1 + i % 3}\t{i}\n" for i in range(30))
    (tmp_path / "ml100k/ml-100k.inter").write_text("user_id:token\titem_id:token\tr\tt\n" + rows)
    return tmp_path


def test_every_kind_is_shown_and_timed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feature_kinds.main(["--data", str(folder), "--random-interactions", "500"])
    output = capsys.readouterr().out
    assert "pros and cons is left out: there is no " in output
    for name, size in [
        ("Fashion-MNIST", 30),
        ("sentence polarity", 8),
        ("subjectivity", 8),
        ("Multi30k en-de", 2),
        ("Multi30k en-cs", 2),
        ("MovieLens 100k", 30),
        ("random interactions", 500),
    ]:
        assert f"| {name} | {size} | " in output
    for line in [
        "| image.height | 28 |",
        "| text.tokens.mean | 2 | 2 |",
        "| pair.shared_token_ratio | 1 | 1 |",
        "| interaction.rating_mean | 2 |",
        "| text.ridge |  |  |",
    ]:
        assert line in output


def test_a_folder_without_any_leaves_out_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feature_kinds.main(["--data", str(tmp_path)])
    assert capsys.readouterr().out.count("is left out") == len(RAW_DATA)


@pytest.mark.parametrize("kind", feature_kinds._GROUPS)
def test_the_groups_that_are_timed_are_all_there_are(kind: str) -> None:
    extract = feature_kinds._EXTRACTORS[kind]
    with pytest.raises(ValueError, match=", ".join(map(repr, feature_kinds._GROUPS[kind]))):
        extract(smallest(kind), groups=["?"])


def smallest(kind: str) -> object:
    return {
        "image": np.zeros((1, 2, 2)),
        "text": ["a"],
        "pair": [("a", "b")],
        "interaction": Interactions([1], [1]),
    }[kind]
