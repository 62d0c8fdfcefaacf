from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from optuna_meta.features.image.pixels import describe
from optuna_meta.features.image.pixels import describe_pixels
from optuna_meta.features.image.pixels import luminance
from optuna_meta.features.image.pixels import radial_spectrum
from optuna_meta.features.image.pixels import spectral_measures


RNG = np.random.default_rng(0)
COLOURS = RNG.random((20, 3, 12, 10)).astype(np.float32)


def power_law_images(exponent: float, n: int = 30, side: int = 64) -> np.ndarray:
    """Noise whose power falls with the frequency to the given power."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    frequency[0, 0] = np.inf
    noise = np.fft.fft2(np.random.default_rng(0).standard_normal((n, side, side)))
    images = np.fft.ifft2(noise * frequency ** (exponent / 2)).real
    images = (images - images.min()) / np.ptp(images)
    return images[:, None].astype(np.float32)


def test_moments_are_those_of_scipy() -> None:
    features = describe_pixels(COLOURS)
    columns = np.moveaxis(COLOURS, 1, -1).reshape(-1, 3).astype(float)
    expected = {
        "pixel_mean.mean": columns.mean(),
        "pixel_mean.sd": columns.mean(axis=0).std(ddof=1),
        "pixel_sd.mean": columns.std(axis=0).mean(),
        "pixel_skewness.mean": scipy.stats.skew(columns).mean(),
        "pixel_kurtosis.mean": scipy.stats.kurtosis(columns).mean(),
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected, abs=2e-3)


def test_grey_has_no_colour_and_one_hue_is_saturated() -> None:
    grey = describe_pixels(np.repeat(COLOURS[:, :1], 3, axis=1))
    assert grey["saturation"] == 0 and grey["colourfulness"] == 0
    red = np.zeros_like(COLOURS)
    red[:, 0] = 0.5
    features = describe_pixels(red)
    assert features["saturation"] == 1
    # No spread, and offsets 0.5 and 0.25.
    assert features["colourfulness"] == pytest.approx(0.3 * np.hypot(0.5, 0.25))
    assert "saturation" not in describe_pixels(COLOURS[:, :1])


def test_equal_channels_look_like_one() -> None:
    grey = COLOURS[:, :1]
    np.testing.assert_allclose(luminance(np.repeat(grey, 3, axis=1)), grey[:, 0], rtol=1e-6)
    one, two = describe_pixels(grey), describe_pixels(np.repeat(grey, 2, axis=1))
    assert np.isnan(one.pop("pixel_mean.sd")) and two.pop("pixel_mean.sd") == 0
    common = [name for name in one if not name.endswith(".sd")]
    assert {n: one[n] for n in common} == pytest.approx({n: two[n] for n in common}, rel=1e-5)


def test_what_is_drawn_on_a_background_is_told_from_it() -> None:
    images = np.zeros((4, 1, 10, 10), dtype=np.float32)
    images[:, :, :, 5:] = 1.0
    features = describe_pixels(images)
    assert features["zero_ratio"] == features["mode_ratio"] == 0.5
    assert features["grey_ent"] == pytest.approx(1.0)
    # The edge lies between two columns of ten.
    assert features["edge_density"] == pytest.approx(0.2)
    assert features["contrast.mean"] == pytest.approx(0.5)
    assert features["contrast.sd"] == features["brightness.sd"] == 0
    assert features["mean_image_ratio"] == pytest.approx(1.0)


def test_independent_images_have_nothing_in_common() -> None:
    noise = np.random.default_rng(1).random((200, 1, 8, 8)).astype(np.float32)
    assert describe_pixels(noise)["mean_image_ratio"] == pytest.approx(1 / 200, rel=0.3)


@pytest.mark.parametrize("exponent", [0.0, -1.0, -2.0])
def test_the_slope_of_a_power_law_is_its_exponent(exponent: float) -> None:
    features = spectral_measures(radial_spectrum(power_law_images(exponent)))
    assert features["spectral_slope"] == pytest.approx(exponent, abs=0.15)


def test_white_noise_has_high_frequencies_and_full_entropy() -> None:
    white = spectral_measures(radial_spectrum(power_law_images(0.0)))
    red = spectral_measures(radial_spectrum(power_law_images(-3.0)))
    # Of rings of frequencies 1 to 32, those over 16 have 400 of 528 parts.
    assert white["high_frequency_ratio"] == pytest.approx(400 / 528, abs=0.02)
    assert red["high_frequency_ratio"] < 0.1
    assert red["spectral_ent"] < 0.6 < white["spectral_ent"] <= 1


def test_a_wave_stands_at_its_frequency() -> None:
    wave = np.cos(2 * np.pi * 10 * np.arange(64) / 64)
    images = np.tile(wave, (3, 1, 64, 1)).astype(np.float32)
    assert np.argmax(radial_spectrum(images)) + 1 == 10


def test_brightness_does_not_matter_to_the_spectrum() -> None:
    images = power_law_images(-1.0, n=3) / 2
    np.testing.assert_allclose(radial_spectrum(images + 0.3), radial_spectrum(images), rtol=1e-3)
    np.testing.assert_allclose(radial_spectrum(images / 2), radial_spectrum(images) / 4, rtol=1e-3)


def test_nothing_to_see_has_no_spectrum() -> None:
    assert spectral_measures(radial_spectrum(np.ones((3, 1, 16, 16), dtype=np.float32))) == {}
    assert spectral_measures(radial_spectrum(np.ones((3, 1, 1, 1), dtype=np.float32))) == {}
    assert spectral_measures(radial_spectrum(COLOURS[:, :, :4, :4])) == {}


def test_descriptors_are_cells_and_orientations() -> None:
    images = np.zeros((2, 1, 16, 16), dtype=np.float32)
    images[0] = np.arange(16) / 16  # rises to the right
    images[1] = np.arange(16)[:, None] / 16  # rises downwards
    descriptors = describe(images)
    assert descriptors.shape == (2, 64 + 8 * 16)
    cells = descriptors[:, :64].reshape(2, 8, 8)
    np.testing.assert_allclose(cells[0], np.tile((2 * np.arange(8) + 0.5) / 16, (8, 1)))
    np.testing.assert_allclose(cells[0], cells[1].T)
    strength = descriptors[:, 64:].reshape(2, 8, 16).sum(axis=2)
    assert np.flatnonzero(strength[0]).tolist() == [0]
    assert np.flatnonzero(strength[1]).tolist() == [4]  # a right angle, of eight in half a turn


@pytest.mark.parametrize("shape", [(5, 1, 1, 1), (5, 7, 3, 20), (1, 3, 128, 128)])
def test_descriptors_of_any_shape_are_few(shape: tuple[int, ...]) -> None:
    descriptors = describe(RNG.random(shape).astype(np.float32))
    assert len(descriptors) == shape[0]
    assert 0 < descriptors.shape[1] <= 384
    assert np.isfinite(descriptors).all()
