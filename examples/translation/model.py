"""A small Transformer that translates, and how well it does."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from sacrebleu.metrics import BLEU
from sacrebleu.metrics import CHRF
import torch
from torch import nn
from torch import Tensor
from tokenizers import Tokenizer

from examples.common import Options
from examples.translation.data import BEGIN
from examples.translation.data import encode
from examples.translation.data import END
from examples.translation.data import PADDING


class Translator(nn.Module):
    """The encoder and decoder of Vaswani et al. (2017), "Attention is all you need".

    Sources, translations and outputs share one table of subwords.

    Args:
        n_tokens: Size of the vocabulary.
        width: Of all layers.
        depth: How many layers each side has.
        heads: Of attention.
        dropout: Everywhere.
    """

    def __init__(self, n_tokens: int, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(n_tokens, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)
        shape = {"dim_feedforward": 2 * width, "dropout": dropout, "batch_first": True}
        encoder = nn.TransformerEncoderLayer(width, heads, norm_first=True, **shape)
        decoder = nn.TransformerDecoderLayer(width, heads, norm_first=True, **shape)
        norms = nn.LayerNorm(width), nn.LayerNorm(width)
        self.encoder = nn.TransformerEncoder(encoder, depth, norms[0], enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, depth, norms[1])
        self.dropout = nn.Dropout(dropout)

    def forward(self, sources: Tensor, begun: Tensor) -> Tensor:
        """Return logits of the next subwords (n, m, n_tokens).

        Args:
            sources: What is translated.  # (n, length)
            begun: Beginnings of translations.  # (n, m)
        """
        return self.decode(self.encode(sources), sources == PADDING, begun)

    def encode(self, sources: Tensor) -> Tensor:
        """Return what the decoder looks at.  # (n, length, width)"""
        read: Tensor = self.encoder(
            self.embed(sources), src_key_padding_mask=sources == PADDING
        )
        return read

    def decode(self, read: Tensor, padding: Tensor, begun: Tensor) -> Tensor:
        """Return logits of the next subwords (n, m, n_tokens)."""
        m = begun.shape[1]
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
        logits.flatten(0, -2), wanted.flatten(), ignore_index=PADDING, label_smoothing=smoothing
    )


def batches(
    sources: Tensor, targets: Tensor, size: int, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pairs of sentences, so many times, without columns that are padding alone."""
    rows = torch.cat([torch.randperm(len(sources)) for _ in range(1 + steps * size // len(sources))])
    for some in rows.split(size)[:steps]:
        pair = sources[some], targets[some]
        yield tuple(side[:, : int((side != PADDING).sum(1).max())] for side in pair)  # type: ignore[misc]


@torch.no_grad()
def translate(
    model: nn.Module, tokenizer: Tokenizer, sentences: Sequence[str], options: Options
) -> list[str]:
    """Return translations, by the likeliest subword after the other."""
    model.eval()
    sources = encode(tokenizer, sentences, options.device)
    done = torch.full((len(sources), 1), BEGIN, device=options.device)
    with options.autocast():
        for _ in range(2 * sources.shape[1]):
            done = torch.cat([done, model(sources, done)[:, -1:].argmax(-1)], 1)
            if (done == END).any(1).all():
                break
    model.train()
    rows = [row[1:] for row in done.tolist()]
    return tokenizer.decode_batch([row[: row.index(END)] if END in row else row for row in rows])


def chrf(translated: Sequence[str], wanted: Sequence[str]) -> float:
    """Return chrF, from 0 to 100."""
    return float(CHRF().corpus_score(translated, [wanted]).score)


def bleu(translated: Sequence[str], wanted: Sequence[str]) -> float:
    """Return BLEU, from 0 to 100."""
    return float(BLEU().corpus_score(translated, [wanted]).score)
