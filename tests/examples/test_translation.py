"""Sentences and their subwords, what translators are judged by, and how they start from others."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch import Tensor

from examples.common import Options


pytest.importorskip("sacrebleu")
pytest.importorskip("tokenizers")

from examples.translation import data  # noqa: E402
from examples.translation.__main__ import start_from  # noqa: E402
from examples.translation.data import encode  # noqa: E402
from examples.translation.data import tokens  # noqa: E402
from examples.translation.model import examples  # noqa: E402
from examples.translation.model import nats_per_character  # noqa: E402
from examples.translation.model import translate  # noqa: E402
from examples.translation.model import Translator  # noqa: E402
from optuna_meta.weights import Checkpoint  # noqa: E402
from optuna_meta.weights.checkpoint.metadata import Metadata  # noqa: E402


SHAPE = {"width": 8, "depth": 1, "heads": 2}
LANGUAGES = ["en", "de", "fr", "cs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_sample(tmp_path_factory.mktemp("multi30k"))


@pytest.fixture(scope="module")
def corpus(folder: Path) -> data.Corpus:
    parts = data.read_multi30k(folder, LANGUAGES)
    made: data.Corpus = data.task(parts, "en", "fr", 100, 3).data
    return made


def test_lines_are_read_packed_or_not(folder: Path, tmp_path: Path) -> None:
    plain = data.read_multi30k(folder, ["en", "cs"])
    for path in folder.iterdir():
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert data.read_multi30k(tmp_path, ["en", "cs"]) == plain
    assert len(plain["train"]["en"]) == len(plain["train"]["cs"]) == 900


def test_tasks_are_of_short_sentences_and_have_none_in_common() -> None:
    lines = {name: [f"{name} {i}" for i in range(40)] for name in ("en", "de")}
    lines["de"][4] = "a sentence of more words than are let in here"
    parts = dict.fromkeys(("train", "val", "test_2016_flickr"), lines)
    trains = [data.task(parts, "en", "de", 9, block).data.train for block in range(4)]
    for sources, targets in trains:
        assert [line.split()[1] for line in sources] == [line.split()[1] for line in targets]
    assert len({line for train in trains for line in train[0]} - {"en 4"}) == 4 * 9
    with pytest.raises(ValueError, match="Wanted 11 short pairs from en to de, got"):
        data.task(parts, "en", "de", 11, 0)


def test_shuffled_translations_have_their_words_but_not_their_sense(folder: Path) -> None:
    parts = data.read_multi30k(folder, LANGUAGES)
    own, other = (data.task(parts, "en", "de", 100, 0, shuffled=s).data for s in (False, True))
    assert own.train[0] == other.train[0] and own.valid == other.valid
    assert sorted(" ".join(own.train[1]).split()) == sorted(" ".join(other.train[1]).split())
    assert sum(a == b for a, b in zip(own.train[1], other.train[1], strict=True)) < 5


def test_subwords_make_up_the_sentences(corpus: data.Corpus) -> None:
    tokenizer = corpus.subwords(300)
    assert tokenizer is corpus.subwords(300) and len(tokens(tokenizer)) == 300
    numbers = encode(tokenizer, corpus.test[1], "cpu")
    assert set(numbers[:, 0].tolist()) == {data.BEGIN}
    assert ((numbers == data.END).sum(1) == 1).all()
    # The first subword has a space before it, as any other word's.
    decoded = [line.strip() for line in tokenizer.decode_batch(numbers.tolist())]
    assert decoded == corpus.test[1]


class Knowing(nn.Module):
    """Translates by heart, or holds all subwords alike."""

    def __init__(self, n_tokens: int, targets: Tensor | None) -> None:
        super().__init__()
        self.n_tokens, self.targets = n_tokens, targets

    def forward(self, sources: Tensor, begun: Tensor) -> Tensor:
        if self.targets is None:
            return torch.zeros(*begun.shape, self.n_tokens)
        following = self.targets[:, 1 : begun.shape[1] + 1]
        return nn.functional.one_hot(following, self.n_tokens).float()


def test_translations_end_with_the_sentence(corpus: data.Corpus) -> None:
    tokenizer = corpus.subwords(300)
    targets = nn.functional.pad(encode(tokenizer, corpus.test[1], "cpu"), (0, 20))
    translated = translate(Knowing(300, targets), tokenizer, corpus.test[0], Options(Path()))
    assert [line.strip() for line in translated] == corpus.test[1]


def test_the_loss_is_shared_out_among_characters(corpus: data.Corpus) -> None:
    tokenizer = corpus.subwords(300)
    found = nats_per_character(Knowing(300, None), tokenizer, corpus.valid, Options(Path()))
    n_subwords = int((encode(tokenizer, corpus.valid[1], "cpu") != data.PADDING).sum())
    n_predicted = n_subwords - len(corpus.valid[1])  # All but the mark of the beginning.
    expected = math.log(300) * n_predicted / sum(map(len, corpus.valid[1]))
    assert found == pytest.approx(expected, rel=1e-5)


def test_padding_changes_no_translation(corpus: data.Corpus) -> None:
    tokenizer = corpus.subwords(300)
    model = Translator(300, 0.0, **SHAPE).eval()
    sources, begun, _ = examples(tokenizer, corpus.valid, "cpu")
    longer = nn.functional.pad(sources, (0, 3), value=data.PADDING)
    assert torch.allclose(model(sources, begun), model(longer, begun), atol=1e-5)
    later = begun.clone()
    later[:, 3:] = data.END  # What comes later says nothing of what comes before.
    assert torch.allclose(model(sources, begun)[:, :3], model(sources, later)[:, :3], atol=1e-5)


def test_a_start_has_its_own_shape_and_subwords_by_what_they_are(corpus: data.Corpus) -> None:
    old = Translator(3, 0.0, width=6, depth=2, heads=1)
    kept = {"shape": {"width": 6, "depth": 2, "heads": 1}, "tokens": ["other", "Ġ", "<end>"]}
    tokenizer = corpus.subwords(300)
    model = Translator(300, 0.0, **SHAPE)
    start_from(model, Checkpoint(old.state_dict(), Metadata(extra=kept)), tokenizer)
    own = {name: row for row, name in enumerate(tokens(tokenizer))}
    assert torch.equal(model.table.weight[own["<end>"]], old.table.weight[2])
    assert torch.equal(model.table.weight[own["Ġ"]], old.table.weight[1])
    for name, tensor in old.state_dict().items():
        if name != "table.weight":
            assert torch.equal(model.state_dict()[name], tensor), name
