"""The models of ``transformers`` through all of this package: tied, prefixed, of other sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import default_collate


pytest.importorskip("transformers")
from transformers import BatchEncoding  # noqa: E402

from optuna_meta.weights import adapt  # noqa: E402
from optuna_meta.weights import average  # noqa: E402
from optuna_meta.weights import by_leep  # noqa: E402
from optuna_meta.weights import by_logme  # noqa: E402
from optuna_meta.weights import Checkpoint  # noqa: E402
from optuna_meta.weights import EmbeddingRows  # noqa: E402
from optuna_meta.weights import Ensemble  # noqa: E402
from optuna_meta.weights import find_checkpoints  # noqa: E402
from optuna_meta.weights import greedy_weights  # noqa: E402
from optuna_meta.weights import initialize  # noqa: E402
from optuna_meta.weights import InnerLoop  # noqa: E402
from optuna_meta.weights import joint_init  # noqa: E402
from optuna_meta.weights import learn_weights  # noqa: E402
from optuna_meta.weights import maml_init  # noqa: E402
from optuna_meta.weights import NewTask  # noqa: E402
from optuna_meta.weights import OuterLoop  # noqa: E402
from optuna_meta.weights import parameter_groups  # noqa: E402
from optuna_meta.weights import PositionGrid  # noqa: E402
from optuna_meta.weights import predict_all  # noqa: E402
from optuna_meta.weights import rank_checkpoints  # noqa: E402
from optuna_meta.weights import reptile_init  # noqa: E402
from optuna_meta.weights import ShortlistThenTrain  # noqa: E402
from optuna_meta.weights import ShortTraining  # noqa: E402
from tests.weights.integrations.models import batch_for  # noqa: E402
from tests.weights.integrations.models import MODELS  # noqa: E402
from tests.weights.integrations.models import train  # noqa: E402
from tests.weights.integrations.models import VOCABULARY  # noqa: E402
from tests.weights.toys import store_in  # noqa: E402


KINDS = [*MODELS]
QUICK = ShortlistThenTrain(short_training=ShortTraining(10, 2, [3e-3], divisions=1))


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    torch.manual_seed(0)
    return request.param, train(MODELS[request.param](), request.param)


def loss_of(model: nn.Module, batch: dict[str, Any]) -> float:
    with torch.no_grad():
        return float(model.eval()(**batch).loss)


def test_it_is_saved_loaded_and_ranked(trained: tuple[str, nn.Module], tmp_path: Path) -> None:
    kind, model = trained
    store, study = store_in(tmp_path), optuna.create_study(study_name="prior")
    for each in (MODELS[kind](), model):
        trial = study.ask()
        store.save(trial, each, value=1.0)
        study.tell(trial, 1.0)
    candidates = sorted(find_checkpoints([study], store), key=lambda c: c.record.trial)
    new, batch = MODELS[kind](), batch_for(kind, seed=9)
    report = initialize(new, candidates[1].load(), partial="error")
    assert report.share == 1.0 and loss_of(new, batch) == loss_of(model, batch)
    # The model's own loss, of whole examples by name.
    task = NewTask(MODELS[kind], batch)
    ranking = rank_checkpoints(candidates, task, strategy=QUICK)
    assert len(ranking.starts) == 3 and 0 < ranking.steps <= QUICK.cost
    if kind != "gpt2":  # Which learns little in so few steps.
        assert ranking.best is candidates[1]
    for measure in (by_logme, by_leep) if kind in ("bert", "vit") else ():
        assert rank_checkpoints(candidates, task, strategy=measure).best is candidates[1]
    examples = [{n: part[i] for n, part in batch.items()} for i in range(len(batch["labels"]))]
    loader: DataLoader[Any] = DataLoader(
        examples,  # type: ignore[arg-type]
        batch_size=8,
        shuffle=True,
        collate_fn=lambda some: BatchEncoding(default_collate(some)),
    )
    again = rank_checkpoints(candidates, NewTask(MODELS[kind], loader), strategy=QUICK)
    assert str(again) == str(ranking)


def test_several_are_one(trained: tuple[str, nn.Module]) -> None:
    kind, model = trained
    other = MODELS[kind]()
    other.load_state_dict(model.state_dict())
    train(other, kind, steps=5)
    batch = batch_for(kind, seed=9)
    models, sources = [model, other], [*map(Checkpoint.from_model, (model, other))]
    mean, new = average(sources), MODELS[kind]()
    initialize(new, mean, partial="error")
    assert loss_of(new, batch) < max(loss_of(each, batch) for each in models) + 0.05
    weights = learn_weights(MODELS[kind](), sources, [batch], steps=3)
    assert sum(weights) == pytest.approx(1.0) and weights[0] != weights[1]
    mixed = Ensemble(models, [1.0, 3.0]).eval()(**batch)
    expected = sum(
        w * m(**batch).logits.softmax(-1) for w, m in zip([0.25, 0.75], models, strict=True)
    )
    torch.testing.assert_close(mixed.logits.exp(), expected)
    assert "loss" not in mixed
    predictions, labels = predict_all(models, [batch])
    assert predictions.shape[1] == len(labels) == len(batch["labels"])
    assert sum(greedy_weights(predictions, labels)) == pytest.approx(1.0)


@pytest.mark.parametrize("form", [dict, BatchEncoding])
def test_a_loader_of_batches_by_name_is_as_good_as_one_batch(
    trained: tuple[str, nn.Module], form: Callable[[Any], Any]
) -> None:
    kind, model = trained
    torch.manual_seed(1)
    models, batch = [model, MODELS[kind]().eval()], batch_for(kind, seed=9)
    examples = [{n: part[i] for n, part in batch.items()} for i in range(len(batch["labels"]))]
    loader: DataLoader[Any] = DataLoader(
        examples,  # type: ignore[arg-type]
        batch_size=8,
        collate_fn=lambda some: form(default_collate(some)),
    )
    assert isinstance(next(iter(loader)), form)  # type: ignore[arg-type]
    predictions, labels = predict_all(models, loader)
    expected, all_labels = predict_all(models, [batch])
    torch.testing.assert_close(predictions, expected)
    assert torch.equal(labels, all_labels)
    mixed = torch.cat([Ensemble(models)(**each).logits.exp() for each in loader])
    torch.testing.assert_close(mixed, expected.mean(0))
    weigh = partial(learn_weights, model, [m.state_dict() for m in models], steps=2)
    weights = weigh(loader, allow_independent=True)
    assert weights == pytest.approx(weigh([batch], allow_independent=True), abs=1e-4)
    assert weights[0] != weights[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_for_many_tasks_is_learned_by_its_own_loss(kind: str) -> None:
    tasks = [[batch_for(kind, 8, seed=i), batch_for(kind, 8, seed=i + 50)] for i in range(2)]
    torch.manual_seed(0)
    model, outer = MODELS[kind](), OuterLoop(1e-3, 2, 2)
    second = maml_init(model, tasks, inner=InnerLoop(0.01, 1), outer=outer)
    for found in (
        joint_init(model, tasks, steps=2),
        reptile_init(model, tasks, outer=outer),
        maml_init(model, tasks, outer=outer, first_order=True),
        second,
    ):
        new = MODELS[kind]()
        assert initialize(new, found, partial="error").share == 1.0
    before = loss_of(new, tasks[0][0])
    adapt(new, second, tasks[0][0])
    assert loss_of(new, tasks[0][0]) < before


@pytest.mark.filterwarnings("ignore::UserWarning")  # What it leaves out is in the report.
@pytest.mark.parametrize(
    ("kind", "sizes", "fresh"),
    [
        ("bert", {"labels": 5}, ["classifier.weight", "classifier.bias"]),
        ("vit", {"labels": 5}, ["classifier.weight", "classifier.bias"]),
        ("gpt2", {"layers": 3}, ["transformer.h.2.attn.c_attn.weight"]),
        ("t5", {"layers": 3}, ["decoder.block.2.layer.0.SelfAttention.q.weight"]),
    ],
)
def test_another_head_or_depth_keeps_its_own_values(
    kind: str, sizes: dict[str, int], fresh: list[str]
) -> None:
    source, model = MODELS[kind](), MODELS[kind](**sizes)
    before = {name: model.state_dict()[name].clone() for name in fresh}
    report = initialize(model, source.state_dict())
    kept = {m.name for m in report.mismatched} | {*report.missing}
    assert {*fresh} <= kept
    for name, tensor in model.state_dict().items():
        expected = before[name] if name in before else source.state_dict().get(name)
        assert expected is None or torch.equal(tensor, expected)


@pytest.mark.parametrize("kind", ["gpt2", "t5", "bert"])
def test_new_words_take_the_rows_of_the_words_they_are(kind: str) -> None:
    name = {"gpt2": "transformer.wte", "t5": "shared", "bert": "bert.embeddings.word_embeddings"}
    source, model = MODELS[kind](), MODELS[kind](vocabulary=VOCABULARY + 10)
    words = EmbeddingRows(range(VOCABULARY), range(10, VOCABULARY + 20))
    table = f"{name[kind]}.weight"
    initialize(model, source.state_dict(), rows={table: words})
    rows = model.state_dict()[table]
    assert torch.equal(rows[:30], source.state_dict()[table][10:])
    if kind != "bert":
        assert torch.equal(model.state_dict()["lm_head.weight"], rows)


def test_images_of_another_size_take_the_places_between(trained: tuple[str, nn.Module]) -> None:
    kind, source = trained
    if kind != "vit":
        pytest.skip("has no images")
    model, table = MODELS["vit"](image=32), "vit.embeddings.position_embeddings"
    report = initialize(model, source.state_dict(), rows={table: PositionGrid()})
    assert report.share == 1.0 and model.state_dict()[table].shape[1] == 1 + 8 * 8
    batch = batch_for("vit")
    larger = nn.functional.interpolate(batch["pixel_values"], scale_factor=2)
    with torch.no_grad():
        guessed = model.eval()(pixel_values=larger).logits.argmax(-1)
    assert float((guessed == batch["labels"]).float().mean()) > 0.6  # A third by chance.


@pytest.mark.parametrize(
    ("kind", "prefix", "head"),
    [
        ("bert", "bert", ["classifier"]),
        ("vit", "vit", ["classifier"]),
        ("gpt2", "transformer", []),
    ],
)
def test_the_body_alone_goes_under_a_prefix_and_back(
    kind: str, prefix: str, head: list[str]
) -> None:
    source, model, third = (MODELS[kind]() for _ in range(3))
    body, other = (getattr(each, prefix) for each in (source, third))
    report = initialize(model, body.state_dict(), rename={"": f"{prefix}."}, head=head)
    assert report.share_of_wanted == 1.0
    for name, tensor in body.state_dict().items():
        assert torch.equal(model.state_dict()[f"{prefix}.{name}"], tensor)
    initialize(other, model.state_dict(), rename={f"{prefix}.": ""}, partial="skip", least=1.0)
    assert all(torch.equal(t, body.state_dict()[n]) for n, t in other.state_dict().items())


def test_layer_wise_rates_and_a_head_of_ones_own() -> None:
    model = MODELS["bert"]()
    groups = parameter_groups(model, 1e-3)
    assert sum(p.numel() for group in groups for p in group["params"]) == sum(
        p.numel() for p in model.parameters()
    )
    task = NewTask(
        MODELS["bert"],
        {n: p for n, p in batch_for("bert").items() if n != "labels"},
        batch_for("bert")["labels"],
        nn.functional.cross_entropy,
        start=partial(initialize, head=["classifier"], least=0.0),
    )
    assert rank_checkpoints([], task).best is None
