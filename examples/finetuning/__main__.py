"""Fine-tune a language model on new sentences, after smaller ones on others.
==========================================================================

.. image:: ../../../examples/finetuning/figure.png

Adapters (LoRA) of a pretrained BERT's first layers tell classes of sentences apart. Most prior
studies are of one layer, some of two like the new one. What is learned from: the values and the
curves of trials, their seconds, what the sentences are like and how many layers there are, and
adapters of as many layers. ``README.md`` beside this program says how to get the sentences.
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
from examples.finetuning.pretrained import find_base


APPLICATION = Application(
    name="finetuning",
    score="validation loss",
    directions=["minimize"],
    objective=model.objective,
    features=model.features,
    final=model.final,
    new_task=model.new_task,
)
SMALL, LARGE = 1, 2  # Layers of the model.
NEW = ("subjectivity", LARGE)
PRIORS = [("polarity", SMALL), ("pros and cons", SMALL), ("questions", SMALL)]
PRIORS += [("polarity", LARGE), ("pros and cons", LARGE)]


def main() -> None:
    options = parse(
        "finetuning", __doc__, model="folder of a pretrained BERT; a small one is made if none"
    )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    corpora = data.nltk_corpora(options.data) if options.data else data.descriptions()
    names = [*corpora]
    if options.data:
        new, priors, sizes = NEW, PRIORS, (160, 200, 600)
    else:
        new, priors, sizes = (names[0], SMALL), [(names[1], SMALL)], (24, 12, 12)
    options.folder.mkdir(parents=True, exist_ok=True)
    texts = [text for own in corpora.values() for part in own.values() for text in part]
    texts = random.Random(0).sample(texts, min(len(texts), 20_000))
    base = find_base(texts, options)

    def tasks(shuffled: bool, *pairs: tuple[str, int]) -> list[Task]:
        make = partial(data.task, sizes=sizes, shuffled=shuffled)
        return [make(name, corpora[name], base, layers) for name, layers in pairs]

    (target,) = tasks(False, new)
    compare(APPLICATION, target, tasks(False, *priors), tasks(True, *priors), options)


if __name__ == "__main__":
    main()
