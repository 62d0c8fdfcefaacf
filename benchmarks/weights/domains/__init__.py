"""The domains of :mod:`benchmarks.weights`, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.weights import tasks
from benchmarks.weights.domains import images
from benchmarks.weights.domains import recommender
from benchmarks.weights.domains import text
from benchmarks.weights.domains import translation


class Entry(NamedTuple):
    make: Callable[[Path, int, int], tasks.Domain]  # Of its folder, a size and a seed.
    needs: str  # Below the user's folder; empty where a library ships the data.
    sizes: tuple[int, ...]  # Examples to train on in the new task.
    kind: tasks.Kind
    unit: str  # What a size counts.
    all_methods: bool = True  # Whether all methods and poisoned sources are tried.


_IMAGES = tasks.CLASSES, "images of each class"

DOMAINS = {
    "digits": Entry(images.digits, "", (5, 20), *_IMAGES),
    "fashion": Entry(images.fashion, images.FASHION, (5, 20), *_IMAGES),
    "translation": Entry(
        translation.make, translation.FOLDER, (200, 1000), tasks.TOKENS, "pairs of sentences"
    ),
    "recommender": Entry(
        recommender.make, recommender.FOLDER, (10, 25), tasks.VALUES, "ratings of each user"
    ),
    "text": Entry(text.make, text.FOLDER, (50, 200), tasks.CLASSES, "sentences of each class"),
    "disjoint": Entry(images.disjoint, "", (5,), *_IMAGES, all_methods=False),
}
