"""Meta-features of a data set of images, all named ``image.``...

Pixels lie in [0, 1], see :func:`.sample.read_images`; ``.mean`` and ``.sd`` summarise.

* ``simple``: ``nr_inst``, ``channels``, ``height``, ``width``, and the labels' features of
  :mod:`.labels`.
* ``statistical``: of each channel, summarised over channels, ``pixel_mean``, ``pixel_sd``,
  ``pixel_skewness`` and ``pixel_kurtosis``; over images, ``contrast`` (deviation within an image)
  and ``brightness.sd``; of all pixels, ``zero_ratio``, ``mode_ratio`` (share of the commonest of
  256 grey levels), ``grey_ent`` (bits) and ``edge_density`` (share with a gradient over 0.1);
  ``mean_image_ratio`` (share of the variance that the mean image has: how alike the images are
  laid out); of three channels, ``saturation`` and ``colourfulness``.
* ``spectral``: ``spectral_slope`` of log power over log frequency, ``high_frequency_ratio``
  (power over half the highest frequency), ``spectral_ent`` (1 for power that all frequencies
  share equally).
* ``intrinsic``: ``two_nn`` and ``participation_ratio`` of :mod:`.intrinsic`, of the images in at
  most 16 x 16 cells.
* ``landmarking``: ``one_nn``, ``nearest_centroid``, ``linear_discr`` and ``small_tree`` for
  classes, ``one_nn``, ``ridge`` and ``small_tree`` for numbers, on the descriptors of
  :func:`.pixels.describe`, in threefold cross-validation: accuracy, or R^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.cross_validation import cross_validate
from optuna_meta.features.cross_validation import make_learners
from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import Extractor
from optuna_meta.features.groups import Steps
from optuna_meta.features.image.intrinsic import participation_ratio
from optuna_meta.features.image.intrinsic import two_nn
import optuna_meta.features.image.pixels as pixels
from optuna_meta.features.image.sample import ImageSample
from optuna_meta.features.image.sample import pool
from optuna_meta.features.image.sample import read_images
from optuna_meta.features.labels import describe_labels
from optuna_meta.features.labels import LABEL_NAMES
import optuna_meta.features.stats as stats


__all__ = ["image_meta_features"]

_CELLS = 16  # Along a side: of so many numbers distances are still quick, and digits legible.
_RIDGE = 100.0  # Descriptors are standardised, and there may be more of them than images.
_GROUPS = {
    "simple": ("nr_inst", "channels", "height", "width", *LABEL_NAMES),
    "statistical": (
        *("pixel_mean.mean", "pixel_mean.sd", "pixel_sd.mean", "pixel_sd.sd"),
        *("pixel_skewness.mean", "pixel_skewness.sd", "pixel_kurtosis.mean", "pixel_kurtosis.sd"),
        *("contrast.mean", "contrast.sd", "brightness.sd", "zero_ratio", "mode_ratio"),
        *("grey_ent", "edge_density", "mean_image_ratio", "saturation", "colourfulness"),
    ),
    "spectral": ("spectral_slope", "high_frequency_ratio", "spectral_ent"),
    "intrinsic": ("two_nn", "participation_ratio"),
    "landmarking": ("one_nn", "nearest_centroid", "linear_discr", "small_tree", "ridge"),
}


def prepare_images(images: Any, labels: Any = None, *, seed: int, budget: Budget) -> Steps:
    """Read a sample of images, and say how to compute each group of features.

    Sizes and an array's labels are of all images; everything else is of a sample of at most 1,000
    images and 2^23 pixels (at least 64 images), which alone is read: a ``Dataset`` is asked for no
    other item. Memory is bounded by half a gigabyte beside the images.

    Args:
        images: N x C x H x W or N x H x W, an array, a memory map or a torch tensor; channels may
            be last. Or a torch ``Dataset``, or a sequence, of images or (image, label) pairs.
        labels: N labels of any type, None where one is missing; None for those of the pairs, or
            for no labels.
        seed: Of the generators that draw the images and the landmarkers' folds.
        budget: The time that there is.

    Raises:
        ValueError: If there are no images, they have another shape, or labels are more or fewer.
    """
    sample = read_images(images, labels, np.random.default_rng(seed), budget)
    return {
        "simple": lambda: _count(sample),
        "statistical": lambda: pixels.describe_pixels(sample.pixels),
        "spectral": lambda: pixels.spectral_measures(pixels.radial_spectrum(sample.pixels)),
        "intrinsic": lambda: _find_dimensions(sample.pixels, budget),
        "landmarking": lambda: _landmark(sample, np.random.default_rng([seed, 1]), budget),
    }


image_meta_features = Extractor("image.", _GROUPS, prepare_images)


def _count(sample: ImageSample) -> dict[str, float]:
    return {
        "nr_inst": sample.nr_inst,
        "channels": sample.pixels.shape[1],
        "height": sample.height,
        "width": sample.width,
        **describe_labels(sample.all_labels),
    }


def _find_dimensions(images: NDArray[np.float32], budget: Budget) -> dict[str, float]:
    height, width = (min(_CELLS, side) for side in images.shape[2:])
    points = pool(images, height, width).reshape(len(images), -1).astype(np.float64)
    dimensions = {"two_nn": two_nn, "participation_ratio": participation_ratio}
    return {name: find(points) for name, find in dimensions.items() if budget.allows()}


def _landmark(sample: ImageSample, rng: np.random.Generator, budget: Budget) -> dict[str, float]:
    names, regression = _GROUPS["landmarking"], is_numeric(sample.labels)
    learners = make_learners(names, regression, ridge=_RIDGE)
    design = stats.standardise(pixels.describe(sample.pixels))
    return cross_validate(learners, design, sample.labels, rng, budget)
