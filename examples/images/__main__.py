"""Tune a convolutional network for new images, after it was tuned for others.

.. image:: ../../../examples/images/figure.png

The prior studies are of five kinds of clothes, clear and noisy, of all ten in half the resolution,
and of digits. The new one is to tell the five other kinds of clothes apart by few examples. What
is learned from: the values and the curves of trials, their seconds, what the images are like, and
the networks. ``README.md`` beside this program says how to get the images.
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
    images = data.fashion_mnist(options.data)
    task = partial(data.task, device=options.device)
    old, other, all_ten = [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], range(10)
    half = [data.coarse]
    new = task("clothes 5 to 9", images, other, 300, change=half)
    priors = [
        task("clothes 0 to 4", images, old, 1000, change=half),
        task("clothes 0 to 4, noisy", images, old, 1000, change=[*half, data.noisy]),
        task("digits", data.digits(), all_ten, 1000),
        task("clothes 0 to 4, coarse", images, old, 1000, change=half + half),
    ]
    unrelated = [
        task(f"{name}, shuffled", parts, classes, 1000, change=change, shuffled=True)
        for name, parts, classes, change in (
            ("clothes 0 to 4", images, old, half),
            ("clothes 0 to 4, noisy", images, old, [*half, data.noisy]),
            ("digits", data.digits(), all_ten, []),
            ("clothes 0 to 4, coarse", images, old, half + half),
        )
    ]
    return new, priors, unrelated


def digits_only(options: Options) -> tuple[Task, list[Task], list[Task]]:
    """Return the same of digits alone, which come with scikit-learn: for ``--smoke``."""
    task = partial(data.task, parts=data.digits(), device=options.device)
    low, high = [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]
    new = task("digits 5 to 9", classes=high, n_train=100)
    priors = [
        task("digits 0 to 4", classes=low, n_train=200),
        task("digits 0 to 4, noisy", classes=low, n_train=200, change=[data.noisy]),
    ]
    unrelated = task("digits 0 to 4, shuffled", classes=low, n_train=200, shuffled=True)
    return new, priors, [unrelated]


def main() -> None:
    options = parse("images", __doc__)
    new, priors, unrelated = (clothes if options.data else digits_only)(options)
    compare(APPLICATION, new, priors, unrelated, options)


if __name__ == "__main__":
    main()
