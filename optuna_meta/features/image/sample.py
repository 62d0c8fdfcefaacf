"""A sample of a data set's images, from an array, a tensor or a ``Dataset``, on one scale."""

from __future__ import annotations

import math
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import as_numpy
from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import UNLIMITED
from optuna_meta.features.labels import read_labels
import optuna_meta.features.stats as stats


__all__ = ["ImageSample", "pool", "read_images"]

_MAX_IMAGES = 1_000  # distances between all of them take eight megabytes
_MIN_IMAGES = 64  # fewer large images would be too few to learn from
_MAX_PIXELS = 2**23  # of all images of the sample as shrunk, over all channels: 32 megabytes
_MAX_SIDE = 128  # 512 images of one channel; spectra then reach 64 frequencies
_CHANNELS = (1, 2, 3, 4)  # grey, grey or colours with transparency, colours
_ARRAY_MARKS = ("shape", "__array_interface__")  # of an array or a tensor, of PIL's image


class ImageSample(NamedTuple):
    """Images of a data set whose pixels lie in [0, 1], and its labels."""

    nr_inst: int  # images of the whole data set
    height: float  # of an image of the data set, in pixels; the median where they differ
    width: float
    pixels: NDArray[np.float32]  # (m, C, H, W), sides of at most 128
    labels: NDArray[Any]  # (m,), int64 class codes or float64 numbers
    all_labels: NDArray[Any]  # those known, of the whole data set where it is cheap


class _Item(NamedTuple):
    """One item of a ``Dataset`` or a sequence."""

    pixels: NDArray[np.float32]  # (C, H, W), sides of at most 128, not yet on a common scale
    shape: tuple[int, ...]  # C, H, W before the sides were shrunk
    dtype: Any  # of the pixels as they came
    label: Any


def read_images(images: Any, labels: Any, rng: np.random.Generator, budget: Budget) -> ImageSample:
    """Return a sample of at most 1,000 images, fewer (at least 64) where they are large.

    Sides over 128 pixels are shrunk by averaging. Images of differing sizes are brought to
    their median size. Unsigned integers are divided by the largest of their type; other numbers
    from 0 up stay as they are where none exceeds 1, and are divided by 255 where the largest lies
    in 128 to 255; all others are mapped to [0, 1] by the least and the largest of the sample.
    Pixels that are not finite become the mean.

    Args:
        images: N x C x H x W or N x H x W, an array or a torch tensor; N x H x W x C where that
            alone gives 1 to 4 channels. Or a torch ``Dataset``, or a sequence, of images or of
            (image, label) pairs: C x H x W, H x W, or of PIL.
        labels: N labels; None to take them from the pairs.
        rng: Draws the sample.
        budget: While it has time, further items of a ``Dataset`` or a sequence are read.

    Raises:
        ValueError: If there are no images, they have another shape, or other numbers of labels.
    """
    images = as_numpy(images)
    n = _count(images)
    first = _read_item(images[0])
    # In random order, for time may run out before all are read.
    asked = rng.permutation(_draw(n, first.shape, rng))
    # An array is at hand; one by one, so that a memory map is read only where needed.
    steps = (UNLIMITED if hasattr(images, "shape") else budget).steps(map(str, asked), "images")
    read = {int(i): _read_item(images[int(i)]) for i in steps}
    read = dict(sorted(read.items())) or {0: first}
    height, width = np.median([item.shape[1:] for item in read.values()], axis=0)
    pixels = _rescale(_unify([item.pixels for item in read.values()]), first.dtype)
    labels = _all_labels(images, n) if labels is None else labels
    if labels is None:
        y = read_labels([item.label for item in read.values()], len(read))
        return ImageSample(n, height, width, pixels, y, y)
    y = read_labels(labels, n)
    return ImageSample(n, height, width, pixels, y[list(read)], y)


def _count(images: Any) -> int:
    shape = getattr(images, "shape", None)
    if shape is not None and (len(shape) not in (3, 4) or 0 in shape):
        raise ValueError(
            "images must be N x C x H x W or N x H x W with none of them 0, got the shape "
            f"{tuple(shape)}. Reshape them; a single image as images[None]."
        )
    n = len(images) if hasattr(images, "__len__") and hasattr(images, "__getitem__") else 0
    if not n:
        raise ValueError(
            "images must be an array, a tensor, a Dataset or a sequence, with a length and at "
            f"least one image, got {type(images).__name__}. Read a stream into a list."
        )
    return n


def _all_labels(images: Any, n: int) -> Any:
    """Return all labels where a data set holds them as torchvision's do, else None."""
    labels: Any = getattr(images, "targets", None)
    return labels if hasattr(labels, "__len__") and len(labels) == n else None


def _read_item(item: Any) -> _Item:
    image, label = item, None
    # An image itself may be a tuple or list, of rows of numbers.
    if isinstance(item, tuple | list) and any(hasattr(item[0], name) for name in _ARRAY_MARKS):
        image, label = item[0], item[1] if len(item) > 1 else None
    image = np.asarray(as_numpy(image))
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"An image must be C x H x W or H x W, got the shape {image.shape}. "
            "Let the items be images, or (image, label) pairs."
        )
    if image.ndim == 2:
        image = image[None]
    elif image.shape[0] not in _CHANNELS and image.shape[2] in _CHANNELS:
        image = np.moveaxis(image, 2, 0)
    return _Item(_shrink(image), image.shape, image.dtype, label)


def _draw(n: int, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which images of shape (C, H, W) to take, ascending."""
    nr_pixels = shape[0] * _shrunk(shape[1]) * _shrunk(shape[2])
    limit = int(np.clip(_MAX_PIXELS // nr_pixels, _MIN_IMAGES, _MAX_IMAGES))
    return stats.subsample(n, limit, rng)


def _shrink(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return an image C x H x W with sides of at most 128, and NaN where not finite."""
    # A complex image keeps its real part; a number too large for a float32 becomes infinite.
    with np.errstate(over="ignore"):
        image = image.real.astype(np.float32)
    image[~np.isfinite(image)] = np.nan
    return pool(image, _shrunk(image.shape[1]), _shrunk(image.shape[2]))


def _shrunk(side: int) -> int:
    """Return the length that is left of a side of which a whole number of pixels is one."""
    return math.ceil(side / math.ceil(side / _MAX_SIDE))


def pool(images: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return images (..., H, W) as the means of (..., height, width) cells of about one size.

    Where a side is shorter than asked for, its pixels are repeated.
    """
    for axis, size in ((-2, height), (-1, width)):
        side = images.shape[axis]
        starts = np.arange(size) * side // size
        if size > side:
            images = np.take(images, starts, axis=axis)
        elif size < side:
            counts = np.diff(np.append(starts, side)).astype(np.float32)
            sums = np.add.reduceat(images, starts, axis=axis)
            images = np.divide(sums, counts[:, None] if axis == -2 else counts, dtype=np.float32)
    return images


def _unify(arrays: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return images of one size and of the least number of channels, shape (m, C, H, W)."""
    channels = min(len(array) for array in arrays)
    height, width = np.median([array.shape[1:] for array in arrays], axis=0).astype(int)
    return np.stack([pool(array[:channels], height, width) for array in arrays])


def _rescale(pixels: NDArray[np.float32], dtype: Any) -> NDArray[np.float32]:
    low, high = np.nan, np.nan
    if not np.isnan(pixels).all():
        low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    if dtype.kind == "u":
        low, high = 0.0, float(np.iinfo(dtype).max)
    elif low >= 0 and (high <= 1 or 128 <= high <= 255):
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    if not high > low:
        return np.zeros_like(pixels)
    # Halved first, for the range of a float32 is more than a float32 holds.
    scaled = (pixels / 2 - np.float32(low / 2)) / np.float32(high / 2 - low / 2)
    present = np.isfinite(scaled)
    scaled[~present] = scaled[present].mean()
    return np.clip(scaled, 0.0, 1.0)
