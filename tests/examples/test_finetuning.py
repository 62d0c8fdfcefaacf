"""The corpora's formats, and adapters that start from others of another rank."""

from __future__ import annotations

from pathlib import Path
import zipfile

import pytest
import torch


pytest.importorskip("peft")
pytest.importorskip("transformers")

from examples.common import Options  # noqa: E402
from examples.finetuning import data  # noqa: E402
from examples.finetuning import model  # noqa: E402
from examples.finetuning.pretrained import Base  # noqa: E402
from examples.finetuning.pretrained import find_base  # noqa: E402
from examples.finetuning.pretrained import MOST_TOKENS  # noqa: E402
from optuna_meta.weights import Checkpoint  # noqa: E402


pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Of transformers to peft.

TEXTS = {"good": ["a fine film", "what a good play"] * 8, "bad": ["a dull film", "a bad play"] * 8}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A language model that has hardly been trained."""
    options = Options(tmp_path_factory.mktemp("finetuning"), smoke=True)
    texts = [text for own in TEXTS.values() for text in own]
    return find_base(texts, options)


@pytest.fixture(scope="module")
def split(base: Base) -> data.Split:
    """Sentences for its first layer."""
    split = data.task("toy", TEXTS, base, 1, (8, 8, 8)).data
    assert isinstance(split, data.Split)
    return split


def test_corpora_are_read_by_class(tmp_path: Path) -> None:
    corpora = {
        "sentence_polarity": {
            "rt-polarity.neg": "dull .\n\n",
            "rt-polarity.pos": "fine .\nfun .\n",
        },
        "subjectivity": {
            "plot.tok.gt9.5000": "he goes .\n",
            "quote.tok.gt9.5000": "i like it .\n",
        },
        "pros_cons": {
            "IntegratedCons.txt": "<Cons>heavy</Cons>\n",
            "IntegratedPros.txt": "<Pros>light, cheap</Pros>\n",
        },
        "qc": {"train.txt": "NUM:date When was it ?\n" * 501 + "HUM:ind Who was it ?\n"},
    }
    (tmp_path / "corpora").mkdir()
    for name, members in corpora.items():
        with zipfile.ZipFile(tmp_path / "corpora" / f"{name}.zip", "w") as archive:
            for path, text in members.items():
                archive.writestr(f"{name}/{path}", text)
    found = data.nltk_corpora(tmp_path)
    assert found["polarity"] == {
        "rt-polarity.neg": ["dull ."],
        "rt-polarity.pos": ["fine .", "fun ."],
    }
    assert found["pros and cons"]["IntegratedPros.txt"] == ["light, cheap"]
    assert set(found["questions"]) == {"NUM"}  # Of the others there are too few.
    assert found["questions"]["NUM"][0] == "When was it ?"


def test_a_task_has_as_many_sentences_as_are_wanted(split: data.Split) -> None:
    for part in (split.train, split.valid, split.test):
        assert len(part) == 8
        assert part.tensors["input_ids"].shape == (8, MOST_TOKENS)
        assert set(part[0]) >= {"input_ids", "attention_mask", "labels"}


def test_a_higher_rank_continues_a_lower_one(split: data.Split) -> None:
    low, high = (model.build(split, rank).eval() for rank in (2, 8))
    with torch.no_grad():
        for name, weights in low.named_parameters():
            if "lora_B" in name:
                weights.normal_()
    checkpoint = Checkpoint.from_model(low, trainable_only=True, tags=["layers 1"])
    model.start_from(high, checkpoint)
    encoders = [m.get_submodule("base_model.model.bert") for m in (low, high)]
    inputs = {name: t for name, t in split.train.tensors.items() if name != "labels"}
    with torch.no_grad():
        outputs = [encoder(**inputs).last_hidden_state for encoder in encoders]
    torch.testing.assert_close(outputs[0], outputs[1])


def test_an_adapter_of_another_model_is_refused(split: data.Split) -> None:
    adapter = model.build(split, 2)
    foreign = Checkpoint.from_model(adapter, trainable_only=True, tags=["layers 2"])
    with pytest.raises(ValueError, match="1 layers are wanted"):
        model.start_from(adapter, foreign)


def test_a_model_that_is_there_is_not_made_again_and_told_from_others(base: Base) -> None:
    again = find_base([], Options(Path(), model=base._folder))
    assert again == base
    weights = base.classifier(layers=1, n_classes=2).state_dict()
    both = base.classifier(layers=2, n_classes=2).state_dict()
    assert all(torch.equal(both[name], t) for name, t in weights.items() if "bert" in name)
    with pytest.raises(SystemExit, match="config.json"):
        find_base([], Options(Path(), model=Path("nowhere")))


def test_padding_changes_no_logits(base: Base) -> None:
    classifier = base.classifier(layers=2, n_classes=2).eval()
    short = base.tokenizer()(["a fine film"], return_tensors="pt")
    long = base.tokenizer()(
        ["a fine film"], return_tensors="pt", padding="max_length", max_length=MOST_TOKENS
    )
    with torch.no_grad():
        logits = [classifier(**inputs).logits for inputs in (short, long)]
    torch.testing.assert_close(*logits)
