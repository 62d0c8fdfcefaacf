"""Tune a Transformer that translates captions, after studies of other directions.
===============================================================================

.. image:: ../../../examples/translation/figure.png

Seven hundred English captions and their French translations are all there is. Others
were translated earlier from English into German, from German into French and from Czech into
English. What is learned from: the values and the curves of trials, their seconds, what the
sentences are like, and the networks, whose subwords go by what they are. ``README.md`` beside
this program says how to get the sentences.
"""

# sphinx_gallery_thumbnail_path = '../examples/translation/figure.png'

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import optuna
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from tokenizers import Tokenizer
import torch
from torch import nn

from examples.common import Application
from examples.common import compare
from examples.common import Job
from examples.common import Options
from examples.common import parse
from examples.common import Task
from examples.translation import data
from examples.translation import model as models
from examples.translation.data import Corpus
from examples.translation.data import tokens
from examples.translation.model import Translator
from optuna_meta import extract_meta_features
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import EmbeddingRows
from optuna_meta.weights import Ensemble
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import initialize
from optuna_meta.weights import InitReport
from optuna_meta.weights import NewTask
from optuna_meta.weights import predict_all
from optuna_meta.weights import record_lineage
from optuna_meta.weights import suggest_start


STEPS, REPORTS = 160, 4  # Of a training, and of its validation.
_SIZE = 1000  # Of the vocabulary on which starts are tried.


def objective(trial: optuna.Trial, job: Job) -> float:
    """Train a translator; return the validation loss in nats per character."""
    corpus, options = job.task.data, job.options
    start = suggest_start(trial, job.starts) if job.starts else None
    # A checkpoint has a shape already, but any vocabulary.
    shape = suggest_shape(trial) if start is None else start.metadata.extra["shape"]
    tokenizer = corpus.subwords(trial.suggest_categorical("subwords", [500, 1000]))
    size = trial.suggest_categorical("batch_size", [16, 32])
    rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    warmup = trial.suggest_float("warmup", 0.05, 0.5)
    decay = trial.suggest_float("weight_decay", 1e-4, 1.0, log=True)
    smoothing = trial.suggest_float("label_smoothing", 0.0, 0.3)
    dropout = trial.suggest_float("dropout", 0.0, 0.4)
    torch.manual_seed(trial.number)
    model = Translator(tokenizer.get_vocab_size(), dropout, **shape).to(options.device)
    if start is not None:
        record_lineage(trial, start_from(model, start, tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    n_steps = steps_of(options)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, n_steps, pct_start=warmup)
    examples = models.examples(tokenizer, corpus.train, options.device)
    value = float("inf")
    for step in range(1, n_steps + 1):
        rows = torch.randint(len(examples[0]), (size,)).to(options.device)
        sources, begun, wanted = (part[rows] for part in examples)
        optimizer.zero_grad()
        with options.autocast():
            loss = models.loss_of(model(sources, begun), wanted, smoothing)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % (n_steps // REPORTS) == 0:
            value = models.nats_per_character(model, tokenizer, corpus.valid, options)
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
    kept = {"shape": shape, "tokens": tokens(tokenizer)}
    job.store.save(trial, model, value=value, extra=kept)
    return value


def steps_of(options: Options) -> int:
    """Return how long a training is."""
    return STEPS // 10 if options.smoke else STEPS


def suggest_shape(trial: optuna.Trial) -> dict[str, int]:
    """Return the hyperparameters that only a new model has."""
    return {
        "width": trial.suggest_categorical("width", [32, 48, 64]),
        "depth": trial.suggest_int("depth", 1, 2),
        "heads": trial.suggest_categorical("heads", [2, 4]),
    }


def start_from(model: nn.Module, checkpoint: Checkpoint, tokenizer: Tokenizer) -> InitReport:
    """Give a model a checkpoint's shape and weights, of the subwords that both have."""
    assert isinstance(model, Translator)
    kept = checkpoint.metadata.extra
    model.build(**kept["shape"])
    rows = {"table.weight": EmbeddingRows(kept["tokens"], tokens(tokenizer))}
    return initialize(model, checkpoint, rows=rows, least=0.0)


def features(task: Task) -> dict[str, float]:
    """Return meta-features of the pairs of sentences to train on."""
    return extract_meta_features([*zip(*task.data.train, strict=True)])


def new_task(task: Task, candidates: Sequence[Candidate], options: Options) -> tuple[NewTask, int]:
    """Return what prior checkpoints are tried on: the sentences to train on."""
    corpus: Corpus = task.data
    tokenizer = corpus.subwords(_SIZE)
    sources, begun, wanted = models.examples(tokenizer, corpus.train, options.device)
    shape = candidates[0].load().metadata.extra["shape"]
    target = NewTask(
        lambda: Translator(tokenizer.get_vocab_size(), 0.1, **shape).to(options.device),
        (sources, begun),
        wanted,
        models.loss_of,
        start=partial(start_from, tokenizer=tokenizer),
        least=0.0,
    )
    return target, options.trials * steps_of(options)


def final(checkpoints: Sequence[Checkpoint], job: Job) -> Mapping[str, float]:
    """Mix the models that share the best one's vocabulary; return chrF and BLEU on test."""
    corpus, options = job.task.data, job.options
    best = checkpoints[0].metadata
    tokenizer = corpus.subwords(best.params["subwords"])
    translators = []
    for checkpoint in checkpoints:
        if checkpoint.metadata.params["subwords"] == best.params["subwords"]:
            shape = checkpoint.metadata.extra["shape"]
            model = Translator(tokenizer.get_vocab_size(), 0.0, **shape).to(options.device)
            initialize(model, checkpoint)
            translators.append(model)
    sources, begun, wanted = models.examples(tokenizer, corpus.valid, options.device)
    shares = greedy_weights(*predict_all(translators, [((sources, begun), wanted)]))
    mixture = Ensemble(translators, shares)
    translated = models.translate(mixture, tokenizer, corpus.test[0], options)
    return {
        name: metric.corpus_score(translated, [corpus.test[1]]).score
        for name, metric in (("test chrF", CHRF()), ("test BLEU", BLEU()))
    }


APPLICATION = Application(
    name="translation",
    score="validation loss (nats per character)",
    directions=["minimize"],
    objective=objective,
    features=features,
    final=final,
    new_task=new_task,
)


def main() -> None:
    options = parse("translation", __doc__)
    if options.smoke and options.data is None:
        options = replace(options, data=data.write_sample(options.folder / "sample"))
    if options.data is None:
        raise SystemExit("Pass --data FOLDER; the README tells where to get it.")
    parts = data.read_multi30k(options.data, ["en", "de", "fr", "cs"])
    earlier = [("en", "de"), ("de", "fr"), ("cs", "en")][: 2 if options.smoke else None]
    n_prior, n_new = (200, 100) if options.smoke else (900, 700)
    # Each direction has sentences of its own.
    priors = [data.task(parts, *pair, n_prior, i) for i, pair in enumerate(earlier)]
    unrelated = [
        data.task(parts, *pair, n_prior, i, shuffled=True) for i, pair in enumerate(earlier[:2])
    ]
    new = data.task(parts, "en", "fr", n_new, 3)
    compare(APPLICATION, new, priors, unrelated, options)


if __name__ == "__main__":
    main()
