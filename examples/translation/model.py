"""A small Transformer that translates, and how well it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer
import torch
from torch import nn
from torch import Tensor

from examples.common import Options
from examples.translation.data import BEGIN
from examples.translation.data import encode
from examples.translation.data import END
from examples.translation.data import PADDING
from examples.translation.data import Pairs


class Translator(nn.Module):
    """The encoder and decoder of Vaswani et al. (2017), "Attention is all you need".

    Sources, translations and outputs share one table of subwords.

    Args:
        n_tokens: Size of the vocabulary.
        dropout: Everywhere.
        shape: What :meth:`build` takes.
    """

    def __init__(self, n_tokens: int, dropout: float, **shape: int) -> None:
        super().__init__()
        self.n_tokens, self.rate = n_tokens, dropout
        self.build(**shape)

    def build(self, width: int, depth: int, heads: int) -> None:
        """Make the layers anew, of another width, depth and number of heads."""
        device = next((p.device for p in self.parameters()), None)
        self.table = nn.Embedding(self.n_tokens, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)
        common: dict[str, Any] = {"dropout": self.rate, "batch_first": True, "norm_first": True}
        encoder = nn.TransformerEncoderLayer(width, heads, 2 * width, **common)
        decoder = nn.TransformerDecoderLayer(width, heads, 2 * width, **common)
        norms = nn.LayerNorm(width), nn.LayerNorm(width)
        self.encoder = nn.TransformerEncoder(encoder, depth, norms[0], enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, depth, norms[1])
        self.dropout = nn.Dropout(self.rate)
        self.to(device)

    def forward(self, sources: Tensor, begun: Tensor) -> Tensor:
        """Return logits of the next subwords (n, m, n_tokens).

        Args:
            sources: What is translated.  # (n, length)
            begun: Beginnings of translations.  # (n, m)
        """
        padding, m = sources == PADDING, begun.shape[1]
        read = self.encoder(self.embed(sources), src_key_padding_mask=padding)
        later = torch.ones(m, m, dtype=torch.bool, device=begun.device).triu(1)
        hidden = self.decoder(
            self.embed(begun), read, tgt_mask=later, memory_key_padding_mask=padding
        )
        logits: Tensor = hidden @ self.table.weight.T
        return logits

    def embed(self, tokens: Tensor) -> Tensor:
        """Return vectors of subwords and of their places.  # (n, length, width)"""
        width = self.table.embedding_dim
        places = torch.arange(tokens.shape[1], device=tokens.device)[:, None]
        angles = places * 1e4 ** (-torch.arange(0, width, 2, device=tokens.device) / width)
        waves = torch.cat([angles.sin(), angles.cos()], 1)
        embedded: Tensor = self.dropout(self.table(tokens) * width**0.5 + waves)
        return embedded


def loss_of(logits: Tensor, wanted: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross entropy of subwords (n, m) by logits (n, m, n_tokens)."""
    return nn.functional.cross_entropy(
        logits.flatten(0, -2), wanted.flatten(), label_smoothing=smoothing
    )


def examples(tokenizer: Tokenizer, pairs: Pairs, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return sources, beginnings of translations, and their next subwords, -100 behind the end."""
    sources, targets = (encode(tokenizer, side, device) for side in pairs)
    wanted = targets[:, 1:]
    return sources, targets[:, :-1], wanted.masked_fill(wanted == PADDING, -100)


@torch.no_grad()
def nats_per_character(
    model: nn.Module, tokenizer: Tokenizer, pairs: Pairs, options: Options
) -> float:
    """Return the cross entropy of translations, comparable across vocabularies."""
    sources, begun, wanted = examples(tokenizer, pairs, options.device)
    model.eval()
    with options.autocast():
        loss = float(loss_of(model(sources, begun), wanted))
    model.train()
    return loss * int((wanted >= 0).sum()) / sum(map(len, pairs[1]))


@torch.no_grad()
def translate(
    model: nn.Module, tokenizer: Tokenizer, sentences: Sequence[str], options: Options
) -> list[str]:
    """Return translations, by the likeliest subword after the other."""
    model.eval()
    sources = encode(tokenizer, sentences, options.device)
    done = torch.full((len(sources), 1), BEGIN, device=options.device)
    with options.autocast():
        for _ in range(sources.shape[1] + 10):
            done = torch.cat([done, model(sources, done)[:, -1:].argmax(-1)], 1)
            if (done == END).any(1).all():
                break
    model.train()
    rows = [row[1:] for row in done.tolist()]
    return tokenizer.decode_batch([row[: row.index(END)] if END in row else row for row in rows])
