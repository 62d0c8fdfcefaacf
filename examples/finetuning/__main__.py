"""Fine-tune a language model on new sentences, after smaller ones on others.
==========================================================================

.. image:: ../../../examples/finetuning/figure.png

Adapters (LoRA) of small transformers tell classes of sentences apart. Most prior studies are of
a model of half the width and depth, some of the same. What is learned from: the values and the
curves of trials, their seconds, what the sentences are like and how large the model is, and
adapters of the same model. ``README.md`` beside this program says how to get the sentences.
"""

# sphinx_gallery_thumbnail_path = '../examples/finetuning/figure.png'

from __future__ import annotations

from functools import partial
import random

from transformers.utils import logging

from examples.common import Application
from examples.common import compare
from examples.common import parse
from examples.common import Task
from examples.finetuning import data
from examples.finetuning import model
from examples.finetuning.data import Scale
from examples.finetuning.pretrained import make_tokenizer
from examples.finetuning.pretrained import pretrain


APPLICATION = Application(
    name="finetuning",
    score="validation loss",
    directions=["minimize"],
    objective=model.objective,
    features=model.features,
    final=model.final,
    new_task=model.new_task,
)
SMALL, LARGE = Scale(hidden=32, layers=1), Scale(hidden=64, layers=2)
NEW = ("subjectivity", LARGE)
PRIORS = [("polarity", SMALL), ("pros and cons", SMALL), ("questions", SMALL)]
PRIORS += [("polarity", LARGE), ("pros and cons", LARGE)]


def main() -> None:
    options = parse("finetuning", __doc__)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    corpora = data.nltk_corpora(options.data) if options.data else data.descriptions()
    names = [*corpora]
    if options.data:
        new, priors, sizes = NEW, PRIORS, (200, 300, 1000)
    else:
        new, priors, sizes = (names[0], SMALL), [(names[1], SMALL)], (24, 12, 12)
    options.folder.mkdir(parents=True, exist_ok=True)
    texts = [text for own in corpora.values() for part in own.values() for text in part]
    texts = random.Random(0).sample(texts, min(len(texts), 20_000))
    tokenizer = make_tokenizer(texts, options)
    for scale in {scale for _, scale in (new, *priors)}:
        pretrain(scale, texts, tokenizer, options)

    def tasks(shuffled: bool, *pairs: tuple[str, Scale]) -> list[Task]:
        make = partial(data.task, tokenizer=tokenizer, sizes=sizes, shuffled=shuffled)
        return [make(name, corpora[name], scale) for name, scale in pairs]

    (target,) = tasks(False, new)
    compare(APPLICATION, target, tasks(False, *priors), tasks(True, *priors), options)


if __name__ == "__main__":
    main()
