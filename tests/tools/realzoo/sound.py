"""Sound as networks take it: another rate, spectra, mel scales. All in numpy, by the packages' own rules."""

from typing import Any

import numpy as np


def resampled(wave: Any, rate: int, wanted: int) -> Any:
    """Return a recording at another rate: the spectrum cut off, or filled up with zeros."""
    size = round(len(wave) * wanted / rate)
    spectrum = np.fft.rfft(wave.astype(np.float64))
    kept = np.zeros(size // 2 + 1, spectrum.dtype)
    both = min(len(kept), len(spectrum))
    kept[:both] = spectrum[:both]
    return (np.fft.irfft(kept, size) * size / len(wave)).astype(np.float32)


def frames(wave: Any, size: int, hop: int) -> Any:
    """Return the whole pieces of ``size`` values, ``hop`` apart: [pieces, size]."""
    return np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]


def slaney_mel(hertz: Any) -> Any:
    """Return mel as librosa counts it: linear up to 1000 Hz, then logarithmic."""
    hertz = np.asarray(hertz, np.float64)
    above = 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 3 / 200, above)


def slaney_hertz(mel: Any) -> Any:
    """Return the frequency of such a mel."""
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27))


def slaney_filters(rate: int, size: int, mels: int) -> Any:
    """Return librosa's triangles: [mels, size // 2 + 1], each of area 1 in hertz."""
    edges = slaney_hertz(np.linspace(0, slaney_mel(rate / 2), mels + 2))
    bins = np.arange(size // 2 + 1) * rate / size
    return _triangles(edges, bins) * (2 / (edges[2:] - edges[:-2]))[:, None]


def kaldi_filters(rate: int, size: int, mels: int, low: float = 20.0) -> Any:
    """Return Kaldi's triangles: [mels, size // 2], straight in its mel, peaks of 1."""

    def mel(hertz: Any) -> Any:
        return 1127 * np.log1p(np.asarray(hertz, np.float64) / 700)

    return _triangles(np.linspace(mel(low), mel(rate / 2), mels + 2), mel(np.arange(size // 2) * rate / size))


def _triangles(edges: Any, bins: Any) -> Any:
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0, np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)))


def librosa_mel(wave: Any, rate: int, size: int, hop: int, mels: int) -> Any:
    """Return librosa's melspectrogram, in powers: [mels, frames], the ends filled up with zeros."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.pad(wave, size // 2)
    power = np.abs(np.fft.rfft(frames(padded, size, hop) * window)) ** 2
    return slaney_filters(rate, size, mels) @ power.T


def decibels(power: Any) -> Any:
    """Return librosa's power_to_db with the loudest as 0 and 80 dB below it as the floor."""
    loud = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(loud - loud.max(), -80)


def kaldi_fbank(wave: Any, rate: int, mels: int) -> Any:
    """Return Kaldi's filter bank without dither, Hamming windows of 25 ms each 10 ms: [frames, mels]."""
    size = rate * 25 // 1000
    pieces = frames(wave.astype(np.float64) * 32768, size, rate // 100)
    pieces = pieces - pieces.mean(axis=1, keepdims=True)
    pieces = pieces - 0.97 * np.concatenate((pieces[:, :1], pieces[:, :-1]), axis=1)
    whole = 1 << (size - 1).bit_length()
    power = np.abs(np.fft.rfft(pieces * np.hamming(size), whole)) ** 2
    return np.log(np.maximum(power[:, :-1] @ kaldi_filters(rate, whole, mels).T, np.finfo(np.float32).eps))
