"""Small models of ``transformers``, newly initialised from their configurations, and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn


transformers = pytest.importorskip("transformers")

VOCABULARY, LENGTH, ROWS = 40, 6, 24


def bert(labels: int = 3, layers: int = 2, vocabulary: int = VOCABULARY) -> nn.Module:
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        num_labels=labels,
    )
    return transformers.BertForSequenceClassification(config)


def gpt2(layers: int = 2, vocabulary: int = VOCABULARY) -> nn.Module:
    """Its head is tied to its embeddings."""
    config = transformers.GPT2Config(
        vocab_size=vocabulary,
        n_positions=16,
        n_embd=16,
        n_layer=layers,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config)


def t5(layers: int = 2, vocabulary: int = VOCABULARY) -> nn.Module:
    """Its encoder, decoder and head share their embeddings."""
    config = transformers.T5Config(
        vocab_size=vocabulary,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=layers,
        num_heads=2,
        decoder_start_token_id=0,
    )
    return transformers.T5ForConditionalGeneration(config)


def vit(labels: int = 3, layers: int = 2, image: int = 16) -> nn.Module:
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=image,
        patch_size=4,
        num_labels=labels,
    )
    return transformers.ViTForImageClassification(config)


MODELS: dict[str, Callable[..., nn.Module]] = {"bert": bert, "gpt2": gpt2, "t5": t5, "vit": vit}


def batch_for(kind: str, rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    """A batch of easy examples by keyword: classes by first word or brightness, or words again."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "vit":
        labels = torch.arange(rows) % 3
        noise = torch.randn(rows, 3, 16, 16, generator=generator)
        return {"pixel_values": 0.3 * noise + labels[:, None, None, None] - 1.0, "labels": labels}
    words = torch.randint(3, VOCABULARY, (rows, LENGTH), generator=generator)
    if kind == "bert":
        labels = torch.arange(rows) % 3
        words[:, 0] = labels
        return {"input_ids": words, "attention_mask": torch.ones_like(words), "labels": labels}
    return {"input_ids": words, "labels": words.clone()}


def train(model: nn.Module, kind: str, steps: int = 60, rate: float = 3e-3) -> nn.Module:
    """Train it on what a batch of the kind is."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    model.train()
    for step in range(steps):
        optimizer.zero_grad()
        model(**batch_for(kind, seed=step % 4)).loss.backward()
        optimizer.step()
    return model.eval()
