from __future__ import annotations

import lzma
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.weights import methods
from benchmarks.weights import report
from benchmarks.weights import run
from benchmarks.weights import sources
from benchmarks.weights import study
from benchmarks.weights import tasks
from benchmarks.weights.__main__ import main
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.domains import text


RAW = Path(os.environ.get("OPTUNA_META_DATA", "missing"), "raw")


def rows(data: tasks.Data) -> set[bytes]:
    return {example.numpy().tobytes() for example in data.x}


def make(name: str, size: int, seed: int = 0) -> tasks.Domain:
    entry = DOMAINS[name]
    if entry.needs and not (RAW / entry.needs).is_dir():
        pytest.skip(f"set OPTUNA_META_DATA to the folder that contains raw/{entry.needs}/")
    return entry.make(RAW / entry.needs, size, seed)


def tiny(domain: tasks.Domain) -> tasks.Domain:
    return domain._replace(checks=(0, 2, 4), rates=(1e-3, 4e-3), prior_steps=4, rounds=1)


def test_digits_are_kept_apart() -> None:
    domain = make("digits", 5)
    parts = [domain.new.train, domain.new.valid, domain.test]
    assert torch.bincount(domain.new.train.y).tolist() == [5] * 10
    assert [len(part.y) for part in parts] == [50, 50, 1797 - 800 - 100]
    assert sum(len(rows(part)) for part in parts) == len(set.union(*map(rows, parts)))
    mirrored = next(prior for prior in domain.priors if "mirrored" in prior.name)
    plain = rows(mirrored.train._replace(x=mirrored.train.x.flip(3).contiguous()))
    assert not plain & set.union(*map(rows, parts))
    assert len(mirrored.train.y) == 600 and len(mirrored.valid.y) == 200
    again, other = make("digits", 5), make("digits", 5, seed=1)
    assert torch.equal(again.new.train.x, domain.new.train.x)
    assert not torch.equal(other.new.train.x, domain.new.train.x)


def test_classes_of_disjoint_digits_and_of_fashion_are_new() -> None:
    domain = make("disjoint", 5)
    assert len(domain.new.train.y) == 25 and not domain.pooled.same_outputs
    olds = {frozenset(prior.name.split(": ")[1]) for prior in domain.priors}
    assert len(olds) == 1 and len(*olds) == 5  # All of them have the same five.
    domain = make("fashion", 5)
    train = domain.new.train
    assert train.x.shape == (20, 1, 14, 14) and len(domain.test.y) == 600
    assert train.y.unique().tolist() == [0, 1, 2, 3]
    used = {int(c) for prior in domain.priors for c in prior.name.split(": ")[1].split("-")}
    assert len(used) <= 6 and len(domain.priors) == 4
    assert not rows(train) & rows(domain.priors[0].train)


def test_pairs_of_languages_share_one_side_and_rows_go_by_word() -> None:
    domain = make("translation", 30)
    items = domain.new.model.rows
    source, target = items["source.weight"], items["target.weight"]
    languages = {item[0] for item in source[2:]}, {item[0] for item in target[2:]}
    assert all(len(side) == 1 for side in languages)
    of_priors = [prior.name.split("-") for prior in domain.priors]
    assert sum(one in languages[0] for one, _ in of_priors) == 2
    assert sum(other in languages[1] for _, other in of_priors) == 2
    assert [*languages[0], *languages[1]] not in of_priors
    # A mark of the beginning, then what the loss wants one place earlier.
    x, y = domain.new.train
    begun = x[:, y.shape[1] :]
    assert {target[i] for i in begun[:, 0].tolist()} == {(*languages[1], "<begin>")}
    assert torch.equal(begun[:, 1:], y[:, :-1] * (begun[:, 1:] != 0))


def test_new_users_are_in_no_earlier_study() -> None:
    domain = make("recommender", 5)
    assert len(domain.new.train.y) == 5 * 150 and len(domain.new.valid.y) == 3 * 150
    assert len(new := set(domain.new.described[0].users.tolist())) == 150
    assert not any(new & set(prior.described[0].users.tolist()) for prior in domain.priors)
    pairs = [set(map(tuple, part.x.tolist())) for part in (domain.new.train, domain.test)]
    assert not pairs[0] & pairs[1]
    assert torch.equal(make("recommender", 15).test.x, domain.test.x)


def test_texts_of_the_new_task_are_its_own() -> None:
    domain = make("text", 20)
    assert len(domain.new.train.y) == 40 and not rows(domain.new.train) & rows(domain.test)
    same = {prior.name: prior.model.same_outputs for prior in domain.priors}
    assert same == {"reviews": True, "products": True, "subjectivity": False, "questions": False}
    # Each prior task has texts of both classes.
    assert all(prior.train.y.unique().tolist() == [0, 1] for prior in domain.priors)


def test_words_left_out_share_a_row() -> None:
    words = text.vocabulary([["a", "b", "a"], ["c", "b", "a"]], 2)
    assert words == ("<padding>", "<unknown>", "a", "b")
    rows = text.encode([["c", "a"], ["b", "b", "b", "a"]], words, 3)
    assert rows.tolist() == [[1, 2, 0], [3, 3, 3]]
    union = text.union([words, text.vocabulary([["d", "b"]], 2)])
    assert union[2:] == ("a", "b", "d")


def test_scores_of_each_kind() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert (
        tasks.CLASSES.score(tasks.CLASSES.predictions(logits, logits), torch.tensor([0, 0])) == 0.5
    )
    rmse = tasks.VALUES.score(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
    assert rmse == pytest.approx(math.sqrt(2.0))
    outputs = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[1, 2, 0], [4, 0, 0]])  # Padding does not count.
    found = tasks.TOKENS.score(
        tasks.TOKENS.predictions(outputs, tokens), tasks.TOKENS.wanted(tokens)
    )
    assert found == pytest.approx(float(tasks.TOKENS.loss(outputs, tokens)), rel=1e-5)


def test_batches_are_the_same_each_time_and_cover_the_data() -> None:
    batches = tasks.Batches(
        tasks.Data(torch.arange(10.0)[:, None], torch.arange(10)), seed=0, size=4
    )
    first, second = ([b.y.tolist() for b, _ in zip(batches, range(3), strict=False)] for _ in "ab")
    assert first == second and sorted(sum(first, [])) == list(range(10))


def test_validation_stops_at_the_best_score_then_the_least_loss() -> None:
    data = tasks.Data(torch.zeros(2, 1), torch.tensor([0, 1]))
    tables = [[[0.9, 0.1], [0.8, 0.2]], [[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]]
    merits = tuple(tasks.merit(tasks.CLASSES, torch.tensor(table), data) for table in tables)
    assert merits[0] < merits[1] < merits[2]
    trained = tasks.Run(0.1, (*merits, merits[2], (-math.inf, -math.inf)), (0.0,) * 5, [], [])
    assert trained.chosen == 2  # Of equals the first.
    assert tasks.merit(tasks.CLASSES, torch.tensor(tables[0]) * math.nan, data) < merits[0]


def test_rows_of_an_earlier_vocabulary_find_their_place(tmp_path: Path) -> None:
    domain = tiny(make("text", 20))
    bench = methods.Bench(domain, sources.make_sources(domain, tmp_path, 0, [4e-3]), 0)
    checkpoint = bench.candidates()[0].load()
    model = bench.build(bench.start(checkpoint))
    theirs = bench.earlier.models[checkpoint.metadata.study].rows["words.weight"]
    ours = domain.new.model.rows["words.weight"]
    common = sorted(set(map(str, theirs)) & set(map(str, ours)))
    assert len(common) > 10
    for word in common[:5]:
        row = model.get_parameter("words.weight")[[*ours].index(word)]
        assert torch.equal(row, checkpoint.state["words.weight"][[*theirs].index(word)])


def test_a_choice_of_scratch_is_scratch_and_poisons_have_their_kinds(tmp_path: Path) -> None:
    domain = tiny(make("digits", 2))
    known = sources.make_sources(domain, tmp_path, 0, [4e-3])
    names = [study.study_name for study in known.studies[sources.ALL_POISONED]]
    assert names == ["random labels 0", "random labels 1", "dead"]
    bench = methods.Bench(domain, known, 0, sources.ALL_POISONED, run.SMOKE.strategy)

    trainings = [methods.METHODS[name](bench) for name in ("scratch", "default", "all tried")]
    (_, scratch), (source, default), (_, tried) = (train() for train in trainings if train)
    assert source in names or source == "scratch" and default.scores == scratch.scores
    assert max(tried.merits) >= max(scratch.merits)


def table(curves: dict[str, tuple[float, ...]], domain: str = "digits") -> pd.DataFrame:
    """Rows of one replicate; scratch is stopped at its third check, others at the last."""
    rows = []
    for method, curve in {"scratch": (0.1, 0.5, 0.9, 0.8), **curves}.items():
        stop = 2 if method == "scratch" else 3
        for i, (step, score) in enumerate(zip((0, 2, 5, 10), curve, strict=True)):
            head = (domain, 5, "clean", 0, method, "", math.nan, 0.0, 1.5)
            rows.append((*head, int(i == stop), step, score))
    return pd.DataFrame(rows, columns=[*run.COLUMNS])


def test_steps_are_counted_until_the_final_score_of_scratch() -> None:
    curves = {"best": (0.1, 0.9, 0.9, 0.9), "nearest": (0.1, 0.2, 0.3, 0.4)}
    found = report.standings(table(curves))
    assert found["share"].tolist() == [1.0, 0.4, math.inf]
    np.testing.assert_allclose(found["gain"], [0.0, 0.0, -0.5])
    rmse = report.standings(table(curves, "recommender"))
    np.testing.assert_allclose(rmse["gain"], [0.0, 0.0, 0.5])  # Lower is better.
    assert "| nearest | 0.100 | 0.300 | 0.400 | -0.500 | 0 of 1 | never |" in report.report(
        table(curves)
    )


def test_rows_survive_their_file(tmp_path: Path) -> None:
    rows = table({"best": (0.25, 0.5, math.nan, 1.0)})
    path, jobs = tmp_path / "rows.csv", [("digits", 0)]
    new = run.complete(path, run.COLUMNS, jobs, lambda *_: [*rows.itertuples(index=False)])
    pd.testing.assert_frame_equal(new, rows)
    pd.testing.assert_frame_equal(run.read(path, run.COLUMNS), rows)
    assert run.read(tmp_path / "none.csv", run.COLUMNS).empty
    (tmp_path / "packed.csv.xz").write_bytes(lzma.compress(path.read_bytes()))
    again = run.complete(tmp_path / "packed.csv", run.COLUMNS, jobs, lambda *_: [])
    pd.testing.assert_frame_equal(again, rows)
    assert (tmp_path / "packed.csv").read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="of another kind of run"):
        run.read(path, study.COLUMNS)


def test_some_methods_are_measured_again_and_other_rows_stay(tmp_path: Path) -> None:
    rows = table({"best": (0.25, 0.5, 0.6, 0.7)})
    path, jobs = tmp_path / "rows.csv", [("digits", 0)]
    run.complete(path, run.COLUMNS, jobs, lambda *_: [*rows.itertuples(index=False)])
    before = path.read_text().splitlines()
    new = table({"best": (0.5, 0.6, 0.7, 1.0)})
    new = new[new["method"] == "best"]
    found = run.renew(path, jobs, lambda *_: [*new.itertuples(index=False)], ["best"])
    assert path.read_text().splitlines()[:5] == before[:5] and len(found) == 8
    assert found.loc[found["method"] == "best", "score"].tolist() == [0.5, 0.6, 0.7, 1.0]


def test_each_domain_tries_all_sources(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["recommender", "fashion", "translation", "text"]
    for name in names:
        make(name, 5)  # Is skipped without data.
    arguments = ["run", "--smoke", "--seeds", "1", "--data", str(RAW), "--domains", *names]
    main([*arguments, "--methods", "scratch", "default", "soup"])
    printed = capsys.readouterr().out
    for name, entry in ((name, DOMAINS[name]) for name in names):
        for kind in ("clean", "poisoned", "all poisoned"):
            title = f"{entry.sizes[0]} {entry.unit}, {kind} sources: {entry.kind.measure}"
            assert f"## {name}, {title}" in printed
        assert f"## {name}, {entry.sizes[1]} {entry.unit}, clean sources" in printed


def test_without_data_only_digits_run_and_a_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "weights.csv"
    arguments = ["run", "--smoke", "--seeds", "1", "--sizes", "2", "--out", str(out)]
    main(arguments := [*arguments, "--domains", "digits", "text"])
    printed = capsys.readouterr().out
    assert "## digits, 2 images" in printed and "text" not in printed
    assert all(f"\n| {method} |" in printed for method in methods.METHODS)
    rows = pd.read_csv(out)
    assert (rows.groupby(["sources", "method"])["stopped"].sum() == 1).all()
    assert len(rows) == 3 * rows["stopped"].sum()
    assert out.with_suffix(".md").read_text() == printed
    assert out.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    before = out.read_bytes()
    for again in (arguments, ["report", str(out)]):
        main(again)
        assert out.read_bytes() == before and capsys.readouterr().out == printed
    with pytest.raises(SystemExit, match="no rows"):
        main(["run", "--smoke", "--domains", "text"])
