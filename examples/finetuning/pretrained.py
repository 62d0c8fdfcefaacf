"""A tokenizer and small language models, trained briefly on the texts themselves, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

from examples.common import Options
from examples.finetuning.data import MOST_TOKENS
from examples.finetuning.data import Scale


SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
VOCABULARY = 2000
STEPS = 300
BATCH = 64


def make_tokenizer(texts: Sequence[str], options: Options) -> Any:
    """Return a tokenizer whose words are pieces that are frequent in the texts; made once."""
    folder = options.folder / "tokenizer"
    if folder.exists():
        return transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=[*SPECIAL.values()], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
    made.save_pretrained(folder)
    return made


def pretrain(scale: Scale, texts: Sequence[str], tokenizer: Any, options: Options) -> Path:
    """Return the folder of a model that learned to guess masked words, which is made once."""
    folder = options.folder / f"pretrained, hidden {scale.hidden}"
    if (folder / "config.json").exists():
        return folder
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=scale.hidden,
        num_hidden_layers=scale.layers,
        num_attention_heads=scale.hidden // 16,
        intermediate_size=2 * scale.hidden,
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
    return folder


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
