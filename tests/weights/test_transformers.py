"""Small random models of transformers: tied, prefixed, of other heads, vocabularies and depths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn

from optuna_meta.weights import average
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import EmbeddingRows
from optuna_meta.weights import initialize
from optuna_meta.weights import parameter_groups
from optuna_meta.weights import shrink_and_perturb
from tests.weights.toys import store_in


transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

_SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


def bert(kind: str = "BertForSequenceClassification", **options: Any) -> Any:
    options = {"vocab_size": 40, "num_hidden_layers": 2, "num_labels": 3, **options}
    return getattr(transformers, kind)(transformers.BertConfig(**_SMALL, **options))


def gpt2(**options: Any) -> Any:
    options = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, **options}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**options))


def t5(**options: Any) -> Any:
    sizes = {"vocab_size": 40, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2}
    sizes["decoder_start_token_id"] = 0
    config = transformers.T5Config(**{**sizes, "num_heads": 2, **options})
    return transformers.T5ForConditionalGeneration(config)


def vit(**options: Any) -> Any:
    options = {
        "image_size": 8,
        "patch_size": 4,
        "num_hidden_layers": 2,
        "num_labels": 3,
        **options,
    }
    return transformers.ViTForImageClassification(transformers.ViTConfig(**_SMALL, **options))


def words(model: nn.Module) -> dict[str, Any]:
    return {"input_ids": torch.arange(10).reshape(2, 5), "labels": torch.tensor([0, 1])}


def sentences(model: nn.Module) -> dict[str, Any]:
    return {"input_ids": torch.arange(10).reshape(2, 5), "labels": torch.arange(10).reshape(2, 5)}


def images(model: nn.Module) -> dict[str, Any]:
    return {"pixel_values": torch.ones(2, 3, 8, 8), "labels": torch.tensor([0, 1])}


MODELS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "bert": (bert, words),
    "gpt-2": (gpt2, sentences),
    "t5": (t5, sentences),
    "vit": (vit, images),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_training_goes_on_and_is_a_start(kind: str, tmp_path: Path) -> None:
    build, batch = MODELS[kind]
    store, trial = store_in(tmp_path), optuna.create_study(study_name="a").ask()

    def made(seed: int) -> tuple[Any, Any]:
        torch.manual_seed(seed)
        model = build().eval()  # Dropout is another test's.
        return model, torch.optim.AdamW(parameter_groups(model, 1e-2))

    def step(model: Any, optimizer: Any) -> float:
        optimizer.zero_grad()
        loss = model(**batch(model)).loss
        torch.autograd.backward(loss)
        optimizer.step()
        return float(loss.detach())

    model, optimizer = made(0)
    step(model, optimizer)
    record = store.save(trial, model, optimizer=optimizer)
    again, its = made(1)
    assert store.resume(trial, again, its) == record
    assert [step(again, its) for _ in range(2)] == [step(model, optimizer) for _ in range(2)]

    checkpoint = store.load(record)
    fresh, _ = made(2)
    assert initialize(fresh, checkpoint, partial="error").share == 1.0
    with torch.no_grad():
        own = checkpoint.state
        assert all(torch.equal(t, own[n]) for n, t in fresh.state_dict().items())
    mean = average([checkpoint, Checkpoint.from_model(fresh)])
    assert initialize(made(3)[0], mean, partial="error").share == 1.0
    before = {n: p.detach().clone() for n, p in fresh.named_parameters()}
    with pytest.raises(ValueError, match="pass what builds the model as fresh"):
        shrink_and_perturb(fresh)
    shrink_and_perturb(fresh, fresh=build)
    for name, p in fresh.named_parameters():
        if name.endswith(("query.weight", "c_attn.weight")):
            noise = float((p - 0.4 * before[name]).detach().std())
            assert noise == pytest.approx(0.1 * 0.02, rel=0.3)  # Torch's own is seven times that.


def test_tied_weights_are_written_once_and_stay_tied(tmp_path: Path) -> None:
    model = gpt2()
    checkpoint = Checkpoint.from_model(model)
    checkpoint.save_file(tmp_path / "a")
    loaded = Checkpoint.load_file(tmp_path / "a").state
    assert loaded["lm_head.weight"] is loaded["transformer.wte.weight"]
    other = gpt2()
    initialize(other, loaded, partial="error")
    assert other.lm_head.weight is other.transformer.wte.weight
    assert torch.equal(other.lm_head.weight, model.lm_head.weight)


def test_prefixes_heads_depths_and_vocabularies_differ() -> None:
    source = bert("BertForMaskedLM")
    model = bert()
    with pytest.raises(UserWarning, match=r"Not loaded: .*pooler.*missing in the checkpoint"):
        initialize(model, source.state_dict())
    head = ["classifier", "bert.pooler"]
    report = initialize(model, source.state_dict(), head=head, partial="skip")
    assert report.share_of_wanted == 1.0
    body = bert("BertModel")
    report = initialize(model, body.state_dict(), rename={"": "bert."}, head=["classifier"])
    assert report.share_of_wanted == 1.0
    deep = bert(num_hidden_layers=4)
    report = initialize(deep, model.state_dict(), partial="skip")
    assert {name.split(".")[3] for name in report.missing} == {"2", "3"}
    larger = bert(vocab_size=50)
    rows = EmbeddingRows([f"w{i}" for i in range(40)], [f"w{49 - i}" for i in range(50)])
    name = "bert.embeddings.word_embeddings.weight"
    initialize(larger, model.state_dict(), rows={name: rows})
    assert torch.equal(larger.state_dict()[name][49], model.state_dict()[name][0])
    with pytest.raises(ValueError, match=r"No name matches \['score'\]"):
        initialize(larger, model.state_dict(), head=["score"], partial="skip")


@pytest.mark.parametrize(("kind", "depth"), [("bert", 4), ("gpt-2", 4), ("vit", 4)])
def test_rates_fall_from_block_to_block(kind: str, depth: int) -> None:
    name = {"gpt-2": "n_layer"}.get(kind, "num_hidden_layers")
    model = MODELS[kind][0](**{name: depth})
    groups = parameter_groups(model, 1.0, decay=0.5)
    rates = {group["lr"] for group in groups}
    last = depth + 1 if kind != "gpt-2" else depth  # Its head is its embedding.
    assert rates == {0.5**i for i in range(last + 1)}
