from __future__ import annotations

import csv
from dataclasses import replace
import gzip
import lzma
import math
from pathlib import Path
import zipfile

import numpy as np
import pytest
import torch

from benchmarks.weights import report as weights_report
from benchmarks.weights import run as weights
from benchmarks.weights.domain import CLASSES
from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import TOKENS
from benchmarks.weights.domain import VALUES
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.domains.images import digits
from benchmarks.weights.domains.images import disjoint
from benchmarks.weights.domains.images import FASHION
from benchmarks.weights.domains.images import fashion
from benchmarks.weights.domains.recommender import ML100K
from benchmarks.weights.domains.recommender import recommender
from benchmarks.weights.domains.text import CORPORA
from benchmarks.weights.domains.text import text
from benchmarks.weights.domains.translation import MULTI30K
from benchmarks.weights.domains.translation import translation
from benchmarks.weights.fit import merit
from benchmarks.weights.fit import Run
from benchmarks.weights.methods import Bench
from benchmarks.weights.methods import METHODS
from benchmarks.weights.report import Line
from benchmarks.weights.report import Setting
from benchmarks.weights.sources import ALL_POISONED
from benchmarks.weights.sources import CLEAN
from benchmarks.weights.sources import make_sources
from benchmarks.weights.sources import start_from
from benchmarks.weights.training import Batches
from benchmarks.weights.words import Vocabulary


def rows(data: Data) -> set[bytes]:
    return {example.numpy().tobytes() for example in data.inputs}


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


def sentence(rng: np.random.Generator, words: str, n: int) -> str:
    return " ".join(f"{words}{i}" for i in rng.integers(0, 60, n))


def write_multi30k(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for language in ("en", "de", "fr", "cs"):
        lines = [sentence(rng, language, 5) for _ in range(11000)]
        with gzip.open(folder / f"train.{language}.gz", "wt", compresslevel=1) as stream:
            stream.write("\n".join(lines) + "\n")


def write_ml100k(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    ratings = ["user\titem\trating\ttime"]
    for user in range(1, 501):
        for item in rng.choice(np.arange(1, 200), 55, replace=False):
            ratings.append(f"{user}\t{item}\t{rng.integers(1, 6)}\t0")
    users = ["user\tage", *(f"{user}\t{18 + user % 50}" for user in range(1, 501))]
    (folder / "ml-100k.inter").write_text("\n".join(ratings))
    (folder / "ml-100k.user").write_text("\n".join(users))


def write_corpora(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    files = {
        "sentence_polarity": ["rt-polarity.neg", "rt-polarity.pos"],
        "subjectivity": ["plot.tok.gt9.5000", "quote.tok.gt9.5000"],
        "pros_cons": ["IntegratedCons.txt", "IntegratedPros.txt"],
        "movie_reviews": ["neg/a.txt", "pos/b.txt"],
    }
    for corpus, names in files.items():
        with zipfile.ZipFile(folder / f"{corpus}.zip", "w") as archive:
            for name in names:
                lines = [f"<Pros>{sentence(rng, 'word', 6)}</Pros>" for _ in range(1500)]
                archive.writestr(f"{corpus}/{name}", "\n".join(lines))
    questions = [f"{kind}:x what {sentence(rng, 'word', 4)}" for kind in ["HUM", "DESC"] * 300]
    with zipfile.ZipFile(folder / "qc.zip", "w") as archive:
        archive.writestr("qc/train.txt", "\n".join(questions))


def write_all(folder: Path) -> None:
    write_fashion(folder / FASHION)
    write_multi30k(folder / MULTI30K)
    write_ml100k(folder / ML100K)
    write_corpora(folder / CORPORA)


def tiny(domain: Domain) -> Domain:
    return replace(domain, checks=(0, 2, 4), rates=(1e-3, 4e-3), prior_steps=4, rounds=1)


def test_digits_are_kept_apart() -> None:
    domain = digits(5, seed=0)
    parts = [domain.train, domain.valid, domain.test]
    assert [len(part.targets) for part in parts[:2]] == [50, 50]
    assert torch.bincount(domain.train.targets).tolist() == [5] * 10
    assert len(domain.test.targets) == 1797 - 800 - 100
    assert sum(len(rows(part)) for part in parts) == len(set.union(*map(rows, parts)))
    mirrored = next(prior for prior in domain.priors if "mirrored" in prior.name)
    plain = rows(mirrored.train._replace(inputs=mirrored.train.inputs.flip(3).contiguous()))
    assert not plain & set.union(*map(rows, parts))
    assert len(mirrored.train.targets) == 600 and len(mirrored.valid.targets) == 200
    again, other = digits(5, seed=0), digits(5, seed=1)
    assert torch.equal(again.train.inputs, domain.train.inputs)
    assert not torch.equal(other.train.inputs, domain.train.inputs)
    assert len(domain.known.targets) == 100


def test_disjoint_digits_have_no_class_in_common() -> None:
    domain = disjoint(5, seed=0)
    assert len(domain.train.targets) == 25 and not any(p.same_outputs for p in domain.priors)
    olds = {frozenset(prior.name.split(": ")[1]) for prior in domain.priors}
    assert len(olds) == 1 and len(*olds) == 5  # All of them have the same five.


def test_classes_of_fashion_are_new(tmp_path: Path) -> None:
    write_fashion(tmp_path / FASHION)
    domain = fashion(tmp_path / FASHION, 5, seed=0)
    assert domain.train.inputs.shape == (20, 1, 14, 14) and len(domain.test.targets) == 600
    assert domain.train.targets.unique().tolist() == [0, 1, 2, 3]
    used = {int(c) for prior in domain.priors for c in prior.name.split(": ")[1].split("-")}
    assert len(used) <= 6 and len(domain.priors) == 4
    assert not rows(domain.train) & rows(domain.priors[0].train)


def test_pairs_of_languages_share_one_side_and_rows_go_by_word(tmp_path: Path) -> None:
    write_multi30k(tmp_path / MULTI30K)
    domain = translation(tmp_path / MULTI30K, 30, seed=0)
    source, target = domain.rows["source.weight"], domain.rows["target.weight"]
    languages = {item[0] for item in source[2:]}, {item[0] for item in target[2:]}
    assert all(len(side) == 1 for side in languages)
    of_priors = [prior.name.split("-") for prior in domain.priors]
    assert sum(one in languages[0] for one, _ in of_priors) == 2
    assert sum(other in languages[1] for _, other in of_priors) == 2
    assert [*languages[0], *languages[1]] not in of_priors
    # A mark of the beginning, then what the loss wants one place earlier.
    begun = domain.train.inputs[:, domain.train.targets.shape[1] :]
    assert {target[i] for i in begun[:, 0].tolist()} == {(*languages[1], "<begin>")}
    assert torch.equal(begun[:, 1:], domain.train.targets[:, :-1] * (begun[:, 1:] != 0))


def test_new_users_are_in_no_earlier_study(tmp_path: Path) -> None:
    write_ml100k(tmp_path / ML100K)
    domain = recommender(tmp_path / ML100K, 5, seed=0)
    assert len(domain.train.targets) == 5 * 150 and len(domain.valid.targets) == 3 * 150
    new = set(domain.described[0].users.tolist())
    assert len(new) == 150
    assert not any(new & set(prior.described[0].users.tolist()) for prior in domain.priors)
    pairs = [set(map(tuple, part.inputs.tolist())) for part in (domain.train, domain.test)]
    assert not pairs[0] & pairs[1]
    more = recommender(tmp_path / ML100K, 15, seed=0)
    assert torch.equal(more.test.inputs, domain.test.inputs)


def test_texts_of_the_new_task_are_its_own(tmp_path: Path) -> None:
    write_corpora(tmp_path / CORPORA)
    domain = text(tmp_path / CORPORA, 20, seed=0)
    assert len(domain.train.targets) == 40 and not rows(domain.train) & rows(domain.test)
    same = {prior.name: prior.same_outputs for prior in domain.priors}
    assert same == {"reviews": True, "products": True, "subjectivity": False, "questions": False}


def test_words_left_out_share_a_row() -> None:
    words = Vocabulary.of([["a", "b", "a"], ["c", "b", "a"]], 2)
    assert words.items == ("<padding>", "<unknown>", "a", "b")
    assert words.encode([["c", "a"], ["b", "b", "b", "a"]], 3).tolist() == [[1, 2, 0], [3, 3, 3]]
    union = Vocabulary.union([words, Vocabulary(["d", "b"])])
    assert union.items[2:] == ("a", "b", "d")


def test_scores_of_each_kind() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert CLASSES.score(CLASSES.predictions(logits, logits), torch.tensor([0, 0])) == 0.5
    values = torch.tensor([1.0, 3.0])
    assert VALUES.score(values, torch.tensor([1.0, 1.0])) == pytest.approx(math.sqrt(2.0))
    outputs = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2, 0], [4, 0, 0]])  # Padding does not count.
    found = TOKENS.score(TOKENS.predictions(outputs, targets), TOKENS.wanted(targets))
    assert found == pytest.approx(float(TOKENS.loss(outputs, targets)), rel=1e-5)


def test_batches_are_the_same_each_time_and_cover_the_data() -> None:
    data = Data(torch.arange(10.0)[:, None], torch.arange(10))
    batches = Batches(data, seed=0, size=4)
    first, second = (
        [b.targets.tolist() for b, _ in zip(batches, range(3), strict=False)] for _ in "ab"
    )
    assert first == second and sorted(sum(first, [])) == list(range(10))


def test_validation_stops_at_the_best_score_then_the_least_loss() -> None:
    data = Data(torch.zeros(2, 1), torch.tensor([0, 1]))
    tables = [[[0.9, 0.1], [0.8, 0.2]], [[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]]
    merits = tuple(merit(CLASSES, torch.tensor(table), data) for table in tables)
    assert merits[0] < merits[1] < merits[2]
    run = Run(0.1, (*merits, merits[2], (-math.inf, -math.inf)), (0.0,) * 5, [], [])
    assert run.chosen == 2  # Of equals the first.
    assert merit(CLASSES, torch.tensor(tables[0]) * math.nan, data) < merits[0]


def test_rows_of_an_earlier_vocabulary_find_their_place(tmp_path: Path) -> None:
    write_corpora(tmp_path / CORPORA)
    domain = tiny(text(tmp_path / CORPORA, 20, seed=0))
    sources = make_sources(domain, tmp_path / "store", 0, [4e-3], 1.0)
    bench = Bench(domain, sources, 0)
    candidate = bench.candidates()[0]
    checkpoint = candidate.load()
    prior = sources.priors[checkpoint.metadata.study]
    model = domain.build(0)
    start_from(domain, checkpoint, prior.rows, prior.same_outputs)(model)
    theirs, ours = prior.rows["words.weight"], domain.rows["words.weight"]
    common = sorted(set(map(str, theirs)) & set(map(str, ours)))
    assert len(common) > 10
    for word in common[:5]:
        row = model.get_parameter("words.weight")[[*ours].index(word)]
        assert torch.equal(row, checkpoint.state["words.weight"][[*theirs].index(word)])


def test_a_choice_of_scratch_is_scratch_and_poisons_have_their_kinds(tmp_path: Path) -> None:
    domain = tiny(digits(2, seed=0))
    sources = make_sources(domain, tmp_path, 0, [4e-3], 1.0)
    names = [study.study_name for study in sources.studies[ALL_POISONED]]
    assert names == ["random labels 0", "random labels 1", "dead"]
    bench = Bench(domain, sources, 0, strategy=weights.SMOKE.strategy)
    scratch = METHODS["scratch"](bench)
    bench.kind = ALL_POISONED
    default = METHODS["default"](bench)
    assert scratch is not None and default is not None
    if default.source == "scratch":
        assert default.run.scores == scratch.run.scores
    tried = METHODS["all tried"](bench)
    assert tried is not None and max(tried.run.merits) >= max(scratch.run.merits)


def line(method: str, curve: tuple[float, ...], chosen: int = -1, seed: int = 0) -> Line:
    chosen %= len(curve)
    checks = (0, 2, 5, 10)
    return Line(
        "digits", 5, CLEAN, seed, method, "", 0.01, 0.0, 1.5, chosen, checks, curve
    )  # fmt: skip


def test_steps_are_counted_until_the_final_score_of_scratch() -> None:
    scratch, other = line("scratch", (0.1, 0.5, 0.9, 0.8), 2), line("best", (0.1, 0.9, 0.9, 0.9))
    never = line("nearest", (0.1, 0.2, 0.3, 0.4))
    found = weights_report.lines_of([scratch, other, never], Setting("digits", 5, CLEAN))
    assert [one.share for one in found] == [1.0, 0.4, math.inf]
    assert [one.wins for one in found] == [0, 0, 0]
    np.testing.assert_allclose([one.gains[0] for one in found], [0.0, 0.0, -0.5])
    rmse = [each._replace(domain="recommender") for each in (scratch, never)]
    reliability = weights_report.lines_of(rmse, Setting("recommender", 5, CLEAN))[1]
    assert reliability.gains[0] == pytest.approx(0.5) and reliability.wins == 1


def test_lines_survive_their_file(tmp_path: Path) -> None:
    lines = [line("scratch", (0.1, 0.5, 0.9, 0.8), 2), line("best", (0.25, 0.5, 0.75, 1.0))]
    path = tmp_path / "lines.csv"
    for each in lines:
        weights_report.append(path, [each])
    assert weights_report.read(path) == lines
    assert weights_report.read(tmp_path / "none.csv") == []
    (tmp_path / "packed.csv.xz").write_bytes(lzma.compress(path.read_bytes()))
    assert weights_report.read(tmp_path / "packed.csv") == lines
    assert (tmp_path / "packed.csv").read_bytes() == path.read_bytes()
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="of another kind of run"):
        weights_report.read(path)


def test_the_smallest_run_prints_all_starts_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_all(tmp_path)
    out = tmp_path / "weights.csv"
    arguments = ["--smoke", "--seeds", "1", "--data", str(tmp_path), "--out", str(out)]
    names = ["recommender", "fashion", "translation", "text"]
    weights.main([*arguments, "--domains", *names, "--methods", "scratch", "default", "soup"])
    printed = capsys.readouterr().out
    for name in names:
        entry = DOMAINS[name]
        for size in entry.sizes:
            assert (
                f"## {name}, {size} {entry.unit}, clean sources: {entry.kind.measure}" in printed
            )
    with open(out) as stream:
        table = list(csv.DictReader(stream))
    assert {row["sources"] for row in table} == {"clean", "poisoned", "all poisoned"}
    stopped = [row for row in table if row["stopped"] == "1"]
    assert len({tuple(row[k] for k in ("domain", "size", "sources", "method")) for row in table})
    assert len(stopped) * 3 == len(table)
    assert out.with_suffix(".md").read_text() == printed
    assert out.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    before = out.read_bytes()
    weights.main([*arguments, "--domains", *names, "--methods", "scratch", "default", "soup"])
    assert out.read_bytes() == before and capsys.readouterr().out == printed


def test_without_data_only_digits_run(capsys: pytest.CaptureFixture[str]) -> None:
    weights.main(["--smoke", "--seeds", "1", "--domains", "digits", "text", "--sizes", "2"])
    printed = capsys.readouterr().out
    assert "## digits, 2 images" in printed and "text" not in printed
    for method in METHODS:
        assert f"\n| {method} |" in printed
