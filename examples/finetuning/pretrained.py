"""The language model: a shipped one, or one trained briefly on the texts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Any

import tokenizers
import torch
from torch import nn
from torch import Tensor
import transformers

from examples.common import Options


VOCABULARY, HIDDEN, LAYERS = 2000, 64, 2
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
STEPS = 300
BATCH = 64
MOST_TOKENS = 16  # Of an example; what is beyond is cut off.


@dataclass(frozen=True)
class Base:
    """A pretrained model.

    Args:
        _folder: Where it lies, as transformers saves models and tokenizers.
        digest: Of its weights.
    """

    _folder: Path
    digest: str

    def tokenizer(self) -> Any:
        """Return what makes numbers of texts."""
        return transformers.AutoTokenizer.from_pretrained(self._folder)

    def classifier(self, layers: int, n_classes: int) -> Any:
        """Return its first layers, with a fresh head."""
        return Classifier.from_pretrained(
            self._folder, num_hidden_layers=layers, num_labels=n_classes
        )


class Classifier(transformers.BertPreTrainedModel):  # type: ignore[misc]
    """A linear head on the mean of BERT's vectors.

    The first token's vector, which ``AutoModelForSequenceClassification`` takes, says next to
    nothing of a sentence unless the model was pretrained for that.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bert = transformers.BertModel(config, add_pooling_layer=False)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        **ignored: Any,
    ) -> Any:
        """Return logits (n, classes) and, with labels, the loss."""
        hidden = self.bert(input_ids, attention_mask).last_hidden_state
        kept = attention_mask[..., None].to(hidden.dtype)
        logits = self.classifier((hidden * kept).sum(dim=1) / kept.sum(dim=1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return transformers.modeling_outputs.SequenceClassifierOutput(loss, logits)


def find_base(texts: Sequence[str], options: Options) -> Base:
    """Return the shipped model that the command line names, else one that is made once."""
    folder = options.model or options.folder / "language model"
    if not (folder / "config.json").exists():
        if options.model:
            raise SystemExit(f"Wanted a folder with a config.json, got {options.model}.")
        _pretrain(folder, texts, options)
    weights = (folder / "model.safetensors").read_bytes()
    return Base(folder, hashlib.sha256(weights).hexdigest()[:12])


def _pretrain(folder: Path, texts: Sequence[str], options: Options) -> None:
    """Train a model to guess masked words, and save it with its tokenizer."""
    tokenizer = _make_tokenizer(texts)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HIDDEN // 16,
        intermediate_size=2 * HIDDEN,
    )
    arguments = transformers.TrainingArguments(
        str(options.folder / "trainer"),
        max_steps=5 if options.smoke else STEPS,
        per_device_train_batch_size=BATCH,
        learning_rate=3e-3,
        lr_scheduler_type="cosine",
        **quiet(options),
    )
    examples = [tokenizer(text, truncation=True, max_length=MOST_TOKENS) for text in texts]
    collate = transformers.DataCollatorForLanguageModeling(tokenizer)
    model = transformers.BertForMaskedLM(config)
    silent(transformers.Trainer(model, arguments, collate, examples)).train()
    model.save_pretrained(folder)


def _make_tokenizer(texts: Sequence[str]) -> Any:
    """Return a tokenizer whose words are pieces that are frequent in the texts."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=[*SPECIAL.values()], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def quiet(options: Options) -> dict[str, Any]:
    """Return what all trainings have among their ``TrainingArguments``."""
    return {
        "use_cpu": options.device == "cpu",
        "bf16": options.amp,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def silent(trainer: Any) -> Any:
    """Return a trainer that prints nothing."""
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer
