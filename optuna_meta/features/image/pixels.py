"""Measures of images whose pixels lie in [0, 1]; throughout, pixels are (m, C, H, W).

Colourfulness is that of Hasler and Suesstrunk (2003), "Measuring colorfulness in natural
images"; orientation histograms follow Dalal and Triggs (2005), "Histograms of oriented gradients
for human detection".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.image.sample import pool
import optuna_meta.features.stats as stats


__all__ = ["describe", "describe_pixels", "luminance", "radial_spectrum", "spectral_measures"]

_LEVELS = 256  # of grey, as a byte has
_EDGE = 0.1  # of the range, from one pixel to the next: more than noise and shading make
_GRID = 8  # cells of descriptors along a side, and half as many of their histograms: 384 numbers
_ORIENTATIONS = 8  # of half a turn; Dalal and Triggs find no gain beyond nine
_MAX_CHANNELS = 4  # those of an image with transparency; of many spectra the first
_BT601 = (0.299, 0.587, 0.114)  # how bright red, green and blue look


def luminance(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return grey images of shape (m, H, W): ITU-R BT.601 of three channels, else the mean."""
    if pixels.shape[1] == 3:
        weights = np.array(_BT601, dtype=np.float32)
        return np.asarray(np.einsum("ichw,c->ihw", pixels, weights))
    return np.asarray(pixels.mean(axis=1))


def describe_pixels(pixels: NDArray[np.float32]) -> dict[str, float]:
    """Return the statistical features; those of colour only of three channels."""
    grey = luminance(pixels).astype(np.float64)
    within = grey.std(axis=(1, 2))
    counts = np.bincount((grey * (_LEVELS - 1) + 0.5).astype(np.int64).ravel())
    dy, dx = _gradients(grey)
    variance = grey.var()
    return {
        **_describe_channels(pixels),
        "contrast.mean": within.mean(),
        "contrast.sd": within.std(),
        "brightness.sd": grey.mean(axis=(1, 2)).std(),
        "zero_ratio": float(np.mean(pixels < 0.5 / (_LEVELS - 1))),
        "mode_ratio": counts.max() / counts.sum(),
        "grey_ent": stats.entropy(counts),
        "edge_density": float(np.mean(np.hypot(dy, dx) > _EDGE)),
        # Of a constant data set the mean image tells nothing and leaves nothing.
        "mean_image_ratio": grey.mean(axis=0).var() / variance if variance > 0 else np.nan,
        **(_describe_colours(pixels.astype(np.float64)) if pixels.shape[1] == 3 else {}),
    }


def _describe_channels(pixels: NDArray[np.float32]) -> dict[str, float]:
    columns = np.moveaxis(pixels, 1, -1).reshape(-1, pixels.shape[1]).astype(np.float64)
    z = stats.standardise(columns)
    return {
        **stats.summarise("pixel_mean", columns.mean(axis=0)),
        **stats.summarise("pixel_sd", columns.std(axis=0)),
        **stats.summarise("pixel_skewness", stats.skewness(z)),
        **stats.summarise("pixel_kurtosis", stats.kurtosis(z)),
    }


def _describe_colours(pixels: Array) -> dict[str, float]:
    most, least = pixels.max(axis=1), pixels.min(axis=1)
    red, green, blue = np.moveaxis(pixels, 1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])  # (2, m, H, W)
    spread = np.sqrt(opponents.var(axis=(2, 3)).sum(axis=0))
    offset = np.sqrt((opponents.mean(axis=(2, 3)) ** 2).sum(axis=0))
    return {
        "saturation": float(np.mean((most - least) / np.where(most > 0, most, 1.0))),
        "colourfulness": float(np.mean(spread + 0.3 * offset)),
    }


def _gradients(grey: Array) -> tuple[Array, Array]:
    """Return half the difference of a pixel's neighbours, down and to the right, (m, H, W)."""
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    right = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    return down, right


def radial_spectrum(pixels: NDArray[np.float32]) -> Array:
    """Return the mean power at each whole frequency from 1 to half the shorter side, (f,).

    In cycles per side; of grey images without their means, tapered by Hann's window, averaged
    over the images, with longer sides cut to the shorter one.
    """
    side = min(pixels.shape[2:])
    grey = luminance(pixels)[:, :side, :side].astype(np.float64)
    grey = grey - grey.mean(axis=(1, 2), keepdims=True)
    window = np.hanning(side + 2)[1:-1]
    power = np.zeros((side, side))
    for image in grey:
        power += np.abs(np.fft.fft2(image * window[:, None] * window)) ** 2 / len(grey)
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(frequency[:, None], frequency)).astype(np.int64).ravel()
    sums, counts = np.bincount(radius, power.ravel()), np.bincount(radius)
    return np.asarray((sums / np.maximum(counts, 1))[1 : side // 2 + 1])


def spectral_measures(spectrum: Array) -> dict[str, float]:
    """Return the slope of log power over log frequency, and how power is shared out.

    Args:
        spectrum: Power at frequencies 1, 2, ..., of shape (f,).
    """
    total = spectrum.sum()
    if len(spectrum) < 3 or not total > 0:
        return {}
    frequency = np.arange(1, len(spectrum) + 1)
    # What rounding leaves is no power.
    shares = np.maximum(spectrum / total, 1e-12)
    ring = shares * frequency / (shares @ frequency)  # as many frequencies lie on a larger ring
    return {
        "spectral_slope": stats.log_slope(frequency, shares),
        "high_frequency_ratio": float(ring[frequency > len(spectrum) / 2].sum()),
        "spectral_ent": float(-(ring @ np.log(ring)) / np.log(len(ring))),
    }


def describe(pixels: NDArray[np.float32]) -> Array:
    """Return fixed descriptors of images, of shape (m, d) with d at most 384.

    They are the pixels of at most four channels averaged over a grid of 8 x 8 cells, and
    histograms of the gradients' orientations, weighted by their magnitudes, in 4 x 4 cells.
    """
    m = len(pixels)
    coarse = pool(pixels[:, :_MAX_CHANNELS], *(min(_GRID, side) for side in pixels.shape[2:]))
    down, right = _gradients(luminance(pixels).astype(np.float64))
    magnitude = np.hypot(down, right)
    turn = np.mod(np.arctan2(down, right) / np.pi, 1.0)  # of a line, which has no direction
    bins = np.minimum((turn * _ORIENTATIONS).astype(np.int64), _ORIENTATIONS - 1)
    cells = [min(_GRID // 2, side) for side in pixels.shape[2:]]
    histograms = [
        pool(np.where(bins == k, magnitude, 0.0).astype(np.float32), *cells)
        for k in range(_ORIENTATIONS)
    ]
    parts = [coarse.reshape(m, -1), *(histogram.reshape(m, -1) for histogram in histograms)]
    return np.hstack(parts).astype(np.float64)
