"""The transform of a context frame: all its spectra at once, and back, by windows of one length.

Windows reach over both ends of the frame into silence; dividing by the sum of the squared windows makes up for it, so
that unchanged spectra give back every sample (Griffin and Lim 1984, equation 6).

Each kernel has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rocket_fft import c2r, r2c

from .compiled import compiled
from .config import ContextTransform

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_AXIS = np.array([0])


def hann(transform: ContextTransform) -> Float32:
    """(window_length,) float32, symmetric, nowhere zero."""
    n = transform.window_length
    return (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2).astype(np.float32)


def normaliser(transform: ContextTransform) -> Float32:
    """(context_length,) float32: one over the sum of the squared windows at each sample."""
    total = np.zeros(transform.context_length + 2 * (transform.window_length // 2))
    for start in range(0, transform.context_length, transform.hop_length):
        total[start : start + transform.window_length] += hann(transform).astype(np.float64) ** 2
    return (1.0 / total[transform.window_length // 2 :][: transform.context_length]).astype(np.float32)


@compiled("void(float32[::1], float32[::1], int64, float32[::1], complex64[:, ::1], float32[:, ::1])")
def analyse_context(
    samples: Float32, window: Float32, hop: int, time: Float32, spectra: Complex64, magnitudes: Float32
) -> None:
    """The spectra of a context frame.

    Args:
        samples: (context_length,).
        window: (window_length,), see ``hann``.
        hop: samples between two spectra; the first one is centred on sample 0.
        time: (window_length,) scratch.
        spectra: (n_frames, n_bins) written.
        magnitudes: (n_frames, n_bins) written.
    """
    size, half, length = window.shape[0], window.shape[0] // 2, samples.shape[0]
    for frame in range(spectra.shape[0]):
        start = frame * hop - half
        for i in range(size):
            at = start + i
            time[i] = samples[at] * window[i] if 0 <= at < length else np.float32(0.0)
        r2c(time, spectra[frame], _AXIS, True, 1.0, 1)
        for k in range(spectra.shape[1]):
            value = spectra[frame, k]
            magnitudes[frame, k] = np.sqrt(value.real * value.real + value.imag * value.imag)


def analyse_context_numpy(samples: Float32, transform: ContextTransform) -> Complex64:
    """``(..., context_length)`` to ``(..., n_frames, n_bins)``: as ``analyse_context``, written to be read."""
    half, size = transform.window_length // 2, transform.window_length
    padded = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(half, half)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=-1)[..., :: transform.hop_length, :]
    return np.fft.rfft(windows * hann(transform)).astype(np.complex64)


@compiled(
    "void(complex64[:, ::1], float32[:, ::1], float32, float32[::1], float32[::1], int64, float32[::1], float32[::1])"
)
def synthesise_context(
    spectra: Complex64,
    gains: Float32,
    floor: float,
    window: Float32,
    normaliser: Float32,
    hop: int,
    time: Float32,
    out: Float32,
) -> None:
    """The newest samples of a context frame from its spectra.

    Args:
        spectra: (n_frames, n_bins) changed.
        gains: (n_frames, n_bins) real, lifted to ``floor`` and multiplied with the spectra.
        floor: smallest gain, 0..1.
        window: (window_length,), see ``hann``.
        normaliser: (context_length,), see ``normaliser``.
        hop: samples between two spectra.
        time: (window_length,) scratch.
        out: (n,) written: the newest n samples.
    """
    size, half, length = window.shape[0], window.shape[0] // 2, normaliser.shape[0]
    first = length - out.shape[0]
    out[:] = np.float32(0.0)
    for frame in range(spectra.shape[0]):
        start = frame * hop - half
        if start + size <= first:
            continue
        for k in range(spectra.shape[1]):
            gain = max(gains[frame, k], floor)
            value = spectra[frame, k]
            spectra[frame, k] = complex(value.real * gain, value.imag * gain)
        c2r(spectra[frame], time, _AXIS, False, 1.0 / size, 1)
        for i in range(max(0, first - start), min(size, length - start)):
            out[start + i - first] += time[i] * window[i]
    for i in range(out.shape[0]):
        out[i] *= normaliser[first + i]


def synthesise_context_numpy(
    spectra: Complex64, gains: Float32, floor: float, transform: ContextTransform, n: int
) -> Float32:
    """The newest ``n`` samples: as ``synthesise_context``, written to be read."""
    half, size, hop = transform.window_length // 2, transform.window_length, transform.hop_length
    frames = np.fft.irfft(spectra * np.maximum(gains, floor), size) * hann(transform)
    padded = np.zeros(transform.context_length + 2 * half)
    for index, frame in enumerate(frames):
        padded[index * hop : index * hop + size] += frame
    return (padded[half:-half] * normaliser(transform))[-n:].astype(np.float32)
