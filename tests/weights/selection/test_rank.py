from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_digits
import torch
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import TensorDataset

from optuna_meta import record_meta_features
from optuna_meta.weights import by_fit
from optuna_meta.weights import by_leep
from optuna_meta.weights import by_logme
from optuna_meta.weights import by_loss
from optuna_meta.weights import by_score
from optuna_meta.weights import Candidate
from optuna_meta.weights import EmbeddingRows
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import initialize
from optuna_meta.weights import Nearest
from optuna_meta.weights import NewTask
from optuna_meta.weights import rank_checkpoints
from optuna_meta.weights import Ranking
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining
from optuna_meta.weights import suggest_start
from optuna_meta.weights.selection import rank as rank_module
from optuna_meta.weights.selection.rank import Ranked
from optuna_meta.weights.selection.short_training import Attempt
from optuna_meta.weights.selection.short_training import Verdict
from tests.weights.toys import store_in


QUICK = ShortlistThenTrain(short_training=ShortTraining(steps=20, rates=[4e-3]))


def build(width: int = 32) -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    inputs = torch.tensor(bunch.data[order] / 16.0, dtype=torch.float32)
    return inputs, torch.tensor(bunch.target[order])


@cache
def trained(kind: str) -> nn.Sequential:
    """A model of 1,000 digits that the new task does not have."""
    torch.manual_seed(1)
    inputs, labels = (part[:1000] for part in digits())
    if kind == "random labels":
        labels = torch.randint(10, labels.shape)
    if kind == "reversed labels":
        labels = 9 - labels
    if kind == "inverted":
        inputs = 1.0 - inputs
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model


def dead() -> nn.Sequential:
    model = build()
    nn.init.constant_(model[0].bias, -1e3)
    nn.init.zeros_(model[2].bias)
    return model


def diverged() -> nn.Sequential:
    model = build()
    nn.init.constant_(model[0].weight, float("nan"))
    return model


def scaled() -> nn.Sequential:
    model = build()
    model.load_state_dict({name: 8.0 * t for name, t in trained("inverted").state_dict().items()})
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "good": lambda: trained("good"),
    "inverted": lambda: trained("inverted"),
    "reversed labels": lambda: trained("reversed labels"),
    "random labels": lambda: trained("random labels"),
    "dead": dead,
    "diverged": diverged,
    "scaled": scaled,
    "wider": lambda: build(40),
}


def candidates(folder: Path, kinds: list[str]) -> list[Candidate]:
    """One study a kind of model; the later ones claim to be better."""
    store = store_in(folder)
    storage = optuna.storages.InMemoryStorage()
    studies = []
    for place, kind in enumerate(kinds):
        study = optuna.create_study(study_name=kind, storage=storage, direction="maximize")
        trial = study.ask()
        store.save(trial, MODELS[kind](), value=1.0)
        study.tell(trial, 1.0)
        for _ in range(place):
            study.tell(study.ask(), 0.5)
        studies.append(study)
    return find_checkpoints(studies, store)


def target(n: int = 60) -> NewTask:
    inputs, labels = digits()
    return NewTask(
        build, inputs[1000 : 1000 + n], labels[1000 : 1000 + n], nn.functional.cross_entropy
    )


def notes(ranking: Ranking) -> dict[str, str]:
    return {
        start.candidate.record.study if start.candidate else "scratch": start.note
        for start in ranking.starts
    }


def test_the_default_finds_the_good_source_among_poisoned_ones(tmp_path: Path) -> None:
    ranking = rank_checkpoints(candidates(tmp_path, list(MODELS)), target())
    assert ranking.best is not None and ranking.best.record.study == "good"
    found = notes(ranking)
    assert found["dead"] == "its outputs are the same for all inputs"
    assert found["diverged"] == "it diverged: 0.weight is not finite"
    assert found["wider"].startswith("another architecture: ")
    assert "trial 0 of study 'good'" in str(ranking).splitlines()[0]


def test_scratch_wins_where_all_sources_are_poisoned(tmp_path: Path) -> None:
    kinds = ["random labels", "dead", "diverged", "scaled", "wider"]
    for seed in range(2):
        ranking = rank_checkpoints(candidates(tmp_path / str(seed), kinds), target(), seed=seed)
        assert ranking.best is None
        assert len(ranking.starts) == 6


@pytest.mark.parametrize("planned_steps", [None, 12 * 30])
def test_what_has_learned_the_opposite_is_not_better(
    planned_steps: int | None, tmp_path: Path
) -> None:
    """Of the labels, and of the inputs' scale."""
    found = candidates(tmp_path, ["reversed labels", "inverted"])
    assert rank_checkpoints(found, target(), planned_steps=planned_steps).best is None


def test_choosing_costs_half_of_the_planned_steps_at_most_and_says_how_much(
    tmp_path: Path,
) -> None:
    found = candidates(tmp_path, ["good", "inverted", "random labels", "scaled"])
    chosen = []
    for planned in (1, 200, 240, 360, 1000):
        ranking = rank_checkpoints(found, target(), planned_steps=planned)
        assert ranking.steps <= planned / 2
        chosen.append(ranking.best and ranking.best.record.study)
    assert chosen == [None, None, "good", "good", "good"]
    told = rank_checkpoints(found, target(), planned_steps=200)
    assert told.best is None and told.steps == 0 and told.trained is None
    assert told.starts[0].note == "no start was tried: 50% of 200 steps are too few"
    tenth = ShortlistThenTrain(share=0.1)
    assert rank_checkpoints(found, target(), strategy=tenth, planned_steps=360).steps == 0
    with pytest.raises(ValueError, match="planned_steps must be positive, got 0"):
        rank_checkpoints(found, target(), planned_steps=0)
    with pytest.raises(ValueError, match="share and shortlist must be positive"):
        ShortlistThenTrain(share=0.0)
    with pytest.raises(ValueError, match="handicap at least 1, got 0.5, 4 and 0.9"):
        ShortlistThenTrain(handicap=0.9)


def test_less_is_tried_the_less_it_may_cost() -> None:
    full = ShortlistThenTrain()
    costs = []
    for planned in (10**6, 5000, 3000, 2000, 1000, 500, 320, 240):
        fitting = full.within(planned)
        assert fitting is not None and fitting.cost <= planned / 2
        assert fitting.short_training.steps >= 20  # In fewer, anything is ahead of scratch.
        costs.append(fitting.cost)
    assert costs[0] == full.cost == (4 + 3) * 60 * (2 + 4 + 4)  # Scratch three times as long.
    assert costs == sorted(costs, reverse=True) and len({*costs}) >= 6
    assert fitting.handicap == 2.0 and full.within(320) == replace(fitting, handicap=3.0)
    assert full.within(200) is None


def test_a_lead_of_as_many_steps_as_are_tried_is_not_worth_choosing(tmp_path: Path) -> None:
    """Scratch itself after 20 steps on as many examples: ahead of it by nothing but these."""
    torch.manual_seed(4)
    ahead = build()
    inputs, labels = (part[:60] for part in digits())
    optimizer = torch.optim.Adam(ahead.parameters(), lr=4e-3)
    for rows in torch.randint(60, (20, 32)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(ahead(inputs[rows]), labels[rows]).backward()
        optimizer.step()
    study, store = optuna.create_study(), store_in(tmp_path)
    trial = study.ask()
    store.save(trial, ahead, value=0.1)
    study.tell(trial, 0.1)
    found = find_checkpoints(study, store)
    level = replace(QUICK, handicap=1.0)
    assert rank_checkpoints(found, target(), strategy=level).best is not None
    assert rank_checkpoints(found, target(), strategy=QUICK).best is None


@pytest.mark.parametrize("kinds", [["good"], ["random labels"]])
def test_the_best_start_goes_on_where_its_short_training_ended(
    kinds: list[str], tmp_path: Path
) -> None:
    few, found = target(), candidates(tmp_path, kinds)
    ranking = rank_checkpoints(found, few, strategy=QUICK)
    chosen = ranking.best
    assert (chosen is None) == (kinds != ["good"]) and ranking.trained is not None
    training = QUICK.scratch_training if chosen is None else QUICK.short_training
    own = Attempt(few, chosen and chosen.load(), training, 0)
    own.misses(1)
    model, expected = build(), own.trained
    report = initialize(model, ranking.trained)
    assert expected is not None and report.share == 1.0 and report.made_by == "short training"
    assert report.steps == report.summary()["steps"] and 0 < report.steps <= training.steps
    assert [origin.study for origin in report.origins] == ([] if chosen is None else kinds)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected.state[name])
    untrained = few.judged(few.model(chosen and chosen.load()), few.every()).loss
    assert few.judged(model, few.every()).loss < untrained


def test_progress_is_shown_where_it_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = candidates(tmp_path, ["good"])
    rank_checkpoints(found, target(), strategy=QUICK)
    assert capsys.readouterr().err == ""
    rank_checkpoints(found, target(), strategy=QUICK, show_progress_bar=True)
    assert "Choosing a start" in capsys.readouterr().err


def test_whole_examples_and_a_loss_of_what_predicts_lead_to_the_same(tmp_path: Path) -> None:
    """As tensors, as a data set and as a loader with keywords."""
    found = candidates(tmp_path, ["good", "inverted", "dead"])
    few = target()

    def loss(predict: Callable[..., torch.Tensor], batch: Any) -> torch.Tensor:
        inputs, labels = batch.values() if isinstance(batch, dict) else batch
        return nn.functional.cross_entropy(predict(inputs), labels)

    examples = [{"x": x, "label": y} for x, y in zip(few.inputs, few.labels, strict=True)]
    expected = rank_checkpoints(found, few, strategy=QUICK)
    for data in (
        (few.inputs, few.labels),
        TensorDataset(few.inputs, few.labels),
        DataLoader(examples, batch_size=7, shuffle=True),  # type: ignore[arg-type]
    ):
        same = rank_checkpoints(found, NewTask(build, data, loss=loss), strategy=QUICK)
        for a, b in zip(expected.starts, same.starts, strict=True):
            assert str(a.candidate) == str(b.candidate)
            assert a.score == pytest.approx(b.score, nan_ok=True) and a.note[:9] == b.note[:9]
    for measure in (by_logme, by_leep, by_loss):
        best = rank_checkpoints(found, NewTask(build, data, loss=loss), strategy=measure).best
        assert best is not None and best.record.study == "good"


def test_a_loss_that_predicts_nothing_and_labels_without_a_loss_are_told(tmp_path: Path) -> None:
    few = target()
    found = candidates(tmp_path, ["good"])
    silent = NewTask(build, (few.inputs, few.labels), loss=lambda predict, batch: torch.zeros(()))
    with pytest.raises(ValueError, match="must call what predicts"):
        rank_checkpoints(found, silent, strategy=by_loss)
    with pytest.raises(ValueError, match="Wanted a loss of outputs and labels"):
        NewTask(build, few.inputs, few.labels)


def test_a_tie_goes_to_scratch(tmp_path: Path) -> None:
    """A source that is scratch itself, by another seed."""
    torch.manual_seed(5)
    untrained = build()
    store = store_in(tmp_path)
    study = optuna.create_study()
    trial = study.ask()
    store.save(trial, untrained, value=0.1)
    study.tell(trial, 0.1)
    found = find_checkpoints([study], store)
    chosen = [
        rank_checkpoints(found, target(), strategy=QUICK, seed=seed).best for seed in range(4)
    ]
    assert chosen.count(None) >= 3


def test_measures_rank_alone(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["good", "inverted", "random labels", "dead"])
    for measure in (by_logme, by_loss, by_leep):
        ranking = rank_checkpoints(found, target(), strategy=measure)
        assert ranking.best is not None and ranking.best.record.study == "good", measure
    by_name = rank_checkpoints(found, target(), strategy=by_score)
    assert [s.candidate.record.study for s in by_name.starts if s.candidate] == [
        "random labels",
        "inverted",
        "good",
        "dead",
    ]
    assert {s.score for s in rank_checkpoints(found, target(), strategy=by_fit).starts[:3]} == {
        1.0
    }


def test_the_nearest_task_by_meta_features(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["good", "inverted", "random labels", "dead"])
    studies = [optuna.create_study(study_name=c.record.study) for c in found]
    for place, study in enumerate(studies[:3]):
        record_meta_features(study, {"rows": 10.0**place, "mean": 0.1 * place})
    measure = Nearest.by_meta_features(studies, {"rows": 10.0, "mean": 0.1})
    assert max(measure.weights, key=lambda name: measure.weights[name]) == studies[1].study_name
    ranking = rank_checkpoints(found, target(), strategy=measure)
    assert ranking.best is not None and ranking.best.record.study == studies[1].study_name
    assert rank_checkpoints(found, target(), strategy=Nearest({})).best is None


def test_a_dead_network_has_the_lowest_loss_and_is_not_chosen(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["random labels", "dead"])
    loss = nn.functional.cross_entropy
    few = target()
    losses = {c.record.study: loss(_outputs(c, few), few.labels).item() for c in found}
    assert losses["dead"] < losses["random labels"]
    best = rank_checkpoints(found, few, strategy=by_loss).best
    assert best is not None and best.record.study == "random labels"


def _outputs(candidate: Candidate, few: NewTask) -> torch.Tensor:
    model = build()
    model.load_state_dict(dict(candidate.load().state))
    with torch.no_grad():
        outputs: torch.Tensor = model(few.inputs)
    return outputs


def test_asking_changes_no_random_state_and_repeats(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["good", "random labels"])
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    first = rank_checkpoints(found, target(), strategy=QUICK, seed=7)
    assert torch.equal(torch.rand(3), expected)
    assert str(rank_checkpoints(found, target(), strategy=QUICK, seed=7)) == str(first)


def test_missing_and_damaged_candidates_are_named(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["good", "inverted", "random labels"])
    missing, damaged, _ = found
    (tmp_path / missing.record.weights.artifact_id).unlink()
    path = tmp_path / damaged.record.weights.artifact_id
    path.write_bytes(path.read_bytes()[:-1])
    told = notes(rank_checkpoints(found, target(), strategy=by_score))
    assert "not in this artifact store" in told[missing.record.study]
    assert "truncated" in told[damaged.record.study]


def test_rows_that_go_by_item_count_as_fitting(tmp_path: Path) -> None:
    """A vocabulary of another size is not another architecture where rows are named."""

    def words(n: int) -> nn.Sequential:
        return nn.Sequential(nn.Embedding(n, 8), nn.Flatten(), nn.Linear(8, 2))

    store = store_in(tmp_path)
    study = optuna.create_study()
    trial = study.ask()
    store.save(trial, words(30), value=1.0)
    study.tell(trial, 1.0)
    rows = {"0.weight": EmbeddingRows(range(30), range(10, 60))}
    plain = NewTask(
        lambda: words(50), torch.arange(10, 40)[:, None], torch.arange(30) % 2,
        nn.functional.cross_entropy,
    )  # fmt: skip
    by_item = replace(plain, start=partial(initialize, rows=rows, least=0.0), least=0.3)
    found = find_checkpoints([study], store)
    assert rank_checkpoints(found, plain, strategy=by_score).best is None
    assert rank_checkpoints(found, by_item, strategy=by_score).best is found[0]
    shares = rank_checkpoints(found, by_item, strategy=by_fit).starts
    assert shares[0].score == pytest.approx((20 * 8 + 18) / (50 * 8 + 18))
    few = rank_checkpoints(found, replace(by_item, least=0.5), strategy=by_score)
    assert few.best is None and "another architecture: 43%" in few.starts[0].note


def test_where_the_loss_decides_the_best_start_is_ahead_of_scratch(tmp_path: Path) -> None:
    """Named first is the one that claims to be better."""
    equal = replace(target(), score=lambda outputs, classes: 1.0)
    guard = ShortlistThenTrain((by_score,))
    ranking = rank_checkpoints(candidates(tmp_path, ["good", "inverted"]), equal, strategy=guard)
    assert ranking.best is not None and ranking.best.record.study == "good"
    assert [start.score for start in ranking.starts] == pytest.approx([1.0] * 3)


def test_what_is_ahead_within_the_error_comes_behind_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = Verdict(score=9.0, loss=0.1, gain=0.2, error=0.3, divisions=1)
    monkeypatch.setattr(rank_module, "compare", lambda *_: within)
    ranking = rank_checkpoints(candidates(tmp_path, ["good"]), target(), strategy=QUICK)
    assert ranking.best is None
    assert ranking.starts[0].candidate is None
    assert ranking.starts[1].note == "+0.2 ± 0.3 against scratch: not better by a standard error"


def test_scratch_has_its_score_on_as_many_divisions_as_the_best_start(tmp_path: Path) -> None:
    few = target()
    ranking = rank_checkpoints(candidates(tmp_path, ["good"]), few, strategy=QUICK)
    scratch = Attempt(few, None, QUICK.scratch_training, 0)
    assert ranking.best is not None
    assert ranking.starts[-1].score == -scratch.misses(2)[:, 0].mean()
    assert ranking.starts[-1].score != -scratch.misses(1)[:, 0].mean()


def test_a_training_that_dies_says_so(tmp_path: Path) -> None:
    few = target()
    dying = replace(few, loss=lambda outputs, classes: outputs.mean() * float("nan"))
    told = notes(rank_checkpoints(candidates(tmp_path, ["good"]), dying, strategy=QUICK))
    assert told["good"] == "its training ended in a dead or diverged model"


def test_nothing_to_choose_from_is_scratch() -> None:
    assert rank_checkpoints([], target()).best is None
    assert rank_checkpoints([], target(), strategy=by_loss).best is None
    with pytest.raises(ValueError, match="At least two examples .* got 1 inputs"):
        target(1)


def test_the_shortlist_is_as_long_as_asked(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["good", "inverted", "random labels"])
    guard = ShortlistThenTrain(shortlist=1, short_training=ShortTraining(folds=2, rates=[4e-3]))
    told = notes(rank_checkpoints(found, target(), strategy=guard))
    assert (
        sorted(note for note in told.values() if "shortlist" in note)
        == ["not on the shortlist"] * 2
    )


def test_regression_and_a_start_of_ones_own(tmp_path: Path) -> None:
    started = []
    few = target()
    values = few.labels.float().unsqueeze(1) / 10.0

    def start(model: nn.Module, checkpoint: object) -> None:
        started.append(checkpoint)

    task = NewTask(
        lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)),
        few.inputs,
        values,
        nn.functional.mse_loss,
        start=start,
    )
    ranking = rank_checkpoints(candidates(tmp_path, ["good"]), task, strategy=QUICK)
    assert started and ranking.best is None  # It is scratch in disguise: a tie.


def test_what_a_start_of_ones_own_raises_is_told(tmp_path: Path) -> None:
    found = candidates(tmp_path, ["good", "wider"])
    strict = replace(target(), start=lambda model, c: model.load_state_dict(c.state))
    ranking = rank_checkpoints(found, strict, strategy=by_loss)
    assert ranking.best is not None and ranking.best.record.study == "good"
    note = notes(ranking)["wider"]
    assert note.startswith("Error") and len(note.splitlines()) == 1


def test_trials_of_any_architecture_take_what_they_share_with_the_chosen_start(
    tmp_path: Path,
) -> None:
    (found,) = candidates(tmp_path, ["good"])

    def built(trial: optuna.trial.BaseTrial) -> nn.Sequential:
        width = trial.suggest_int("width", 16, 64)
        return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

    few = replace(target(), build=lambda: built(optuna.trial.FixedTrial({"width": 32})))
    best = rank_checkpoints([found], few, strategy=QUICK).best
    assert best is found
    study = optuna.create_study()
    shares = []
    for width in (16, 32):
        study.enqueue_trial({"width": width})
        model = built(study.ask())
        shares.append(initialize(model, best, partial="skip", least=0.0).share)
    assert shares == [pytest.approx(10 / (16 * 75 + 10)), 1.0]


def test_a_candidate_is_a_start_by_role(tmp_path: Path) -> None:
    (found,) = candidates(tmp_path, ["good"])
    study = optuna.create_study()
    study.enqueue_trial({"start": "best"})
    start = suggest_start(study.ask(), {"best": found})
    assert start is not None and start.metadata.study == "good"


def test_a_ranking_is_shown_in_short() -> None:
    ranking = Ranking((Ranked(None, 1.0, "<b>bold</b>"), *[Ranked(None, 0.0)] * 100), 7)
    assert repr(ranking) == "Ranking(best='scratch', 101 starts, 7 steps)"
    page = ranking._repr_html_()
    assert "<b>" not in page and "&lt;b&gt;bold" in page and len(page) < 5000
