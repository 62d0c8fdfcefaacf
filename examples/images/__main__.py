"""Tune a convolutional network for new images, after it was tuned for others.
===========================================================================

.. image:: ../../../examples/images/figure.png

The prior studies are of five kinds of clothes, clear, noisy and coarse, and of digits. The new
one is to tell the five other kinds of clothes apart by few examples. What is learned from: the
values and the curves of trials, their seconds, what the images are like, and the networks.
``README.md`` beside this program says how to get the images.
"""

# sphinx_gallery_thumbnail_path = '../examples/images/figure.png'

from __future__ import annotations

from functools import partial

from examples.common import Application
from examples.common import compare
from examples.common import Options
from examples.common import parse
from examples.common import Task
from examples.images import data
from examples.images import model


APPLICATION = Application(
    name="images",
    score="validation accuracy",
    directions=["maximize"],
    objective=model.objective,
    features=model.features,
    final=model.final,
    new_task=model.new_task,
)


def clothes(options: Options) -> tuple[Task, list[Task], list[Task]]:
    """Return the new task, the prior ones, and unrelated ones, of Fashion-MNIST and digits."""
    assert options.data is not None
    images, half = data.fashion_mnist(options.data), [data.coarse]
    old, other = [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]

    def earlier(shuffled: bool) -> list[Task]:
        make = partial(data.task, n_train=400, shuffled=shuffled, device=options.device)
        return [
            make("clothes 0 to 4", images, old, change=half),
            make("clothes 0 to 4, noisy", images, old, change=[*half, data.noisy]),
            make("digits", data.digits(), range(10)),
            make("clothes 0 to 4, coarse", images, old, change=half + half),
        ]

    new = data.task("clothes 5 to 9", images, other, 300, change=half, device=options.device)
    return new, earlier(shuffled=False), earlier(shuffled=True)


def digits_only(options: Options) -> tuple[Task, list[Task], list[Task]]:
    """Return the same of digits alone, which come with scikit-learn: for ``--smoke``."""
    digits, low, high = data.digits(), [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]

    def earlier(shuffled: bool) -> list[Task]:
        make = partial(data.task, n_train=200, shuffled=shuffled, device=options.device)
        return [
            make("digits 0 to 4", digits, low),
            make("digits 0 to 4, inverted", digits, low, change=[data.inverted]),
        ]

    new = data.task("digits 5 to 9", digits, high, 100, device=options.device)
    return new, earlier(shuffled=False), earlier(shuffled=True)


def main() -> None:
    options = parse("images", __doc__)
    new, priors, unrelated = (clothes if options.data else digits_only)(options)
    compare(APPLICATION, new, priors, unrelated, options)


if __name__ == "__main__":
    main()
