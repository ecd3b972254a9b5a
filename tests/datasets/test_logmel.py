"""The log-mel picture of a recording."""

import numpy as np
import pytest

from sk_mmbalance.datasets._logmel import log_mel, mel_filters

RATE = 8000


def sine(frequency, seconds=0.5):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


def centre(band, n_mels=20):
    """Centre frequency of a band in Hz, by the mel formula."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    return 700 * (10 ** (top * (band + 1) / (n_mels + 1) / 2595) - 1)


@pytest.mark.parametrize("band", [3, 10, 18])
def test_a_tone_is_loudest_in_its_own_band(band):
    picture = log_mel(sine(centre(band)), RATE)
    assert picture.shape == (20, 20)
    assert picture.dtype == np.float32
    assert (picture.argmax(axis=0) == band).all()


def test_a_rising_tone_rises_in_the_picture():
    t = np.arange(4000) / RATE
    picture = log_mel(np.sin(2 * np.pi * (300 * t + 3000 * t**2)), RATE)
    loudest = picture.argmax(axis=0)
    assert (np.diff(loudest) >= 0).all()
    assert loudest[-1] - loudest[0] > 8


def test_level_offset_and_sample_format_do_not_count():
    wave = sine(440) + 0.3 * sine(1700)
    expected = log_mel(wave, RATE)
    np.testing.assert_allclose(log_mel(0.01 * wave + 5.0, RATE), expected, atol=1e-4)
    eight_bit = np.round(127 + 90 * wave).astype(np.uint8)
    loud = expected > -3
    assert loud.sum() > 20
    np.testing.assert_allclose(log_mel(eight_bit, RATE)[loud], expected[loud], atol=0.1)


def test_channels_are_averaged():
    left, right = sine(500), sine(900)
    stereo = np.column_stack([left, right])
    np.testing.assert_allclose(log_mel(stereo, RATE), log_mel((left + right) / 2, RATE), rtol=1e-5)


def test_length_does_not_count_for_a_steady_sound():
    short, long = log_mel(sine(1000, 0.2), RATE), log_mel(sine(1000, 1.0), RATE)
    band = short.mean(axis=1).argmax()
    # the ends, where the window reaches beyond the recording, are left out
    np.testing.assert_allclose(short[band, 4:-4], long[band, 4:-4], atol=0.05)


@pytest.mark.parametrize("n_samples", [1, 100, 1016])
def test_recordings_too_short_for_the_picture_are_padded(n_samples):
    picture = log_mel(np.ones(n_samples) + np.arange(n_samples), RATE)
    assert picture.shape == (20, 20)
    assert np.isfinite(picture).all()


def test_silence_is_the_floor():
    np.testing.assert_allclose(log_mel(np.zeros(4000), RATE), np.log(1e-6), rtol=1e-6)


def test_mel_filters_share_every_frequency_between_two_neighbours():
    frequencies = np.linspace(0, 4000, 129)
    filters = mel_filters(frequencies, 20)
    inner = (frequencies >= centre(0)) & (frequencies <= centre(19))
    np.testing.assert_allclose(filters[:, inner].sum(axis=0), 1.0)
    assert (filters >= 0).all()
    assert (filters.max(axis=1) > 0.5).all()
