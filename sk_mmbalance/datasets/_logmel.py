"""A small log-mel picture of a short recording."""

from functools import lru_cache

import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

_WINDOW = 0.032  # seconds: resolves the pitch harmonics of speech, a usual choice
_HOP = 0.005  # seconds: the shortest of the spoken digits still fills all time bins
_FLOOR = 1e-6  # energy below which silence is silence, for a signal of unit power


def log_mel(signal: np.ndarray, rate: int, n_mels: int = 20, n_times: int = 20) -> np.ndarray:
    """Log energy of a recording in mel bands and equal stretches of time.

    The recording is scaled to unit power, so that its level does not count; it is cut into
    ``n_times`` stretches of equal length whatever its duration, so that its tempo does not
    count either.

    Parameters
    ----------
    signal : ndarray of shape (n_samples,) or (n_samples, n_channels)
        The recording; channels are averaged.
    rate : int
        Samples per second.
    n_mels, n_times : int, default=20
        Numbers of bands and of stretches.

    Returns
    -------
    picture : ndarray of float32 of shape (n_mels, n_times)
        Natural logarithms, lowest band and first stretch first.
    """
    mono = np.asarray(signal, dtype=float)
    if mono.ndim == 2:
        mono = mono.mean(axis=1)
    mono = mono - mono.mean()  # 8-bit recordings are unsigned, and microphones have an offset
    power = np.mean(mono**2)
    mono = mono / np.sqrt(power) if power > 0 else mono
    transform, filters = _tools(rate, n_mels)
    short = transform.m_num + transform.hop * n_times - len(mono)
    if short > 0:
        mono = np.pad(mono, (0, short))
    energy = filters @ transform.spectrogram(mono)
    edges = np.linspace(0, energy.shape[1], n_times + 1).astype(int)
    means = np.add.reduceat(energy, edges[:-1], axis=1) / np.diff(edges)
    return np.log(means + _FLOOR).astype(np.float32)


@lru_cache(maxsize=1)  # thousands of recordings of one rate follow each other
def _tools(rate: int, n_mels: int) -> tuple[ShortTimeFFT, np.ndarray]:
    window, hop = round(_WINDOW * rate), round(_HOP * rate)
    transform = ShortTimeFFT(hann(window, sym=False), hop, rate, scale_to="magnitude")
    return transform, mel_filters(transform.f, n_mels)


def mel_filters(frequencies: np.ndarray, n_mels: int) -> np.ndarray:
    """Triangular filters at equal distances on the mel scale, 2595 log10(1 + f / 700).

    Parameters
    ----------
    frequencies : ndarray of shape (n_bins,)
        Frequencies of the spectrum's bins, in Hz, ascending.
    n_mels : int
        Number of filters. They span the range from 0 to the highest frequency.

    Returns
    -------
    filters : ndarray of shape (n_mels, n_bins)
        Weights from 0 to 1. At each frequency between the first and the last centre the weights
        sum to 1.
    """
    mels = 2595.0 * np.log10(1.0 + frequencies / 700.0)
    corners = np.linspace(0.0, mels[-1], n_mels + 2)
    return np.array([np.interp(mels, corners[i : i + 3], [0.0, 1.0, 0.0]) for i in range(n_mels)])
