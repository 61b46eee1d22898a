"""The pair of windows, and the transform of one hop forth and back.

A long analysis window resolves frequency; a short synthesis window over its newest samples sets the delay. Their
product over the last two hops is a Hann window, which overlap-adds to one (Mauler and Martin, "A low delay, variable
resolution, perfect reconstruction spectral analysis-synthesis system for speech enhancement", EUSIPCO 2007).

Each kernel has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rocket_fft import c2r, r2c

from .compiled import compiled, helper
from .config import TransformConfig
from .errors import ParameterError
from .gain import apply_gain, apply_gain_numpy

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

#: Samples are clamped to this magnitude at the door: far above full scale, far below what overflows in a model.
LARGEST_SAMPLE = 1000.0
#: Smaller samples (-360 dB) count as zero: their powers would be denormal, and denormal arithmetic is slow.
SMALLEST_SAMPLE = 1e-18

_AXIS = np.array([0])


def design_windows(transform: TransformConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Analysis and synthesis window of a transform.

    Returns:
        ``(analysis, synthesis)``: float64 of shape ``(window_length,)``, rising over all but the last hop and falling
        over the last one; and float64 of shape ``(synthesis_length,)``, to be applied to the newest samples.
    """
    hop, synthesis_length = transform.hop_length, transform.synthesis_length
    rise = transform.window_length - hop
    # Half a sample off the edges: no window value is exactly zero, so the division below is safe.
    rising = np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / rise)
    falling = np.cos(0.5 * np.pi * (np.arange(hop) + 0.5) / hop)
    analysis = np.concatenate([rising, falling])
    hann = np.sin(np.pi * (np.arange(synthesis_length) + 0.5) / synthesis_length) ** 2
    synthesis = hann / analysis[-synthesis_length:]
    return analysis, synthesis


def check_windows(analysis: NDArray[np.float64], synthesis: NDArray[np.float64], hop_length: int) -> None:
    """Make sure that a pair of windows gives back what goes in.

    Args:
        analysis: shape ``(window_length,)``.
        synthesis: shape ``(2 * hop_length,)``, over the newest samples of the analysis window.
        hop_length: in samples.

    Raises:
        ParameterError: the product of the pair, overlap-added, is not one everywhere, or shapes do not fit.
    """
    if synthesis.shape != (2 * hop_length,) or analysis.shape < synthesis.shape:
        raise ParameterError(
            f"windows of shape {analysis.shape} and {synthesis.shape} do not fit a hop of {hop_length} samples: the "
            f"synthesis window must be {2 * hop_length} long, the analysis window no shorter; use design_windows"
        )
    product = analysis[-2 * hop_length :] * synthesis
    error = float(np.max(np.abs(product[:hop_length] + product[hop_length:] - 1.0)))
    if not error < 1e-6:
        raise ParameterError(
            f"the windows overlap-add to one with an error of {error:.1e}, more than 1e-06: they would colour the "
            "signal; use design_windows"
        )


@helper
def _sanitise_sample(sample: Any) -> Any:
    size = abs(sample)
    if SMALLEST_SAMPLE <= size <= LARGEST_SAMPLE:
        return sample
    if LARGEST_SAMPLE < size < np.inf:
        return np.float32(np.copysign(LARGEST_SAMPLE, sample))
    return np.float32(0.0)


@compiled("void(float32[::1], float32[::1])")
def sanitise(samples: Float32, out: Float32) -> None:
    """Copy ``samples`` to ``out``: NaN, Inf and what is too small to hear become 0, magnitudes are clamped."""
    for i in range(samples.shape[0]):
        out[i] = _sanitise_sample(samples[i])


def sanitise_numpy(samples: Float32) -> Float32:
    """The same as ``sanitise``, written to be read."""
    audible = np.isfinite(samples) & (np.abs(samples) >= SMALLEST_SAMPLE)
    return np.clip(np.where(audible, samples, 0), -LARGEST_SAMPLE, LARGEST_SAMPLE).astype(np.float32)


@compiled("void(float32[::1], float32[::1], float32[::1], float32[::1], complex64[::1], complex64[::1], float32)")
def analyse_hop(
    hop: Float32,
    history: Float32,
    window: Float32,
    windowed: Float32,
    spectrum: Complex64,
    model_frame: Complex64,
    model_scale: float,
) -> None:
    """Take in one hop and give out the spectrum of the newest window, for the stream and for the model.

    Args:
        hop: (hop_length,) new samples, sanitised here.
        history: (window_length or more,) the newest samples; shifted and filled here.
        window: (window_length,) analysis window.
        windowed: (window_length,) scratch.
        spectrum: (window_length // 2 + 1,) written.
        model_frame: (model_bins,) its lowest bins are written with ``spectrum * model_scale``.
        model_scale: window length of the model over that of the stream: a tone has one magnitude at every rate.
    """
    new, size = hop.shape[0], history.shape[0]
    for i in range(size - new):
        history[i] = history[i + new]
    for i in range(new):
        history[size - new + i] = _sanitise_sample(hop[i])
    start = size - window.shape[0]
    for i in range(window.shape[0]):
        windowed[i] = history[start + i] * window[i]
    r2c(windowed, spectrum, _AXIS, True, 1.0, 1)
    for k in range(min(spectrum.shape[0], model_frame.shape[0])):
        model_frame[k] = complex(spectrum[k].real * model_scale, spectrum[k].imag * model_scale)


def analyse_hop_numpy(
    hop: Float32,
    history: Float32,
    window: Float32,
    windowed: Float32,
    spectrum: Complex64,
    model_frame: Complex64,
    model_scale: float,
) -> None:
    """The same as ``analyse_hop``, written to be read."""
    history[:] = np.concatenate([history[len(hop) :], sanitise_numpy(hop)])
    windowed[:] = history[-len(window) :] * window
    spectrum[:] = np.fft.rfft(windowed)
    shared = min(len(spectrum), len(model_frame))
    model_frame[:shared] = spectrum[:shared] * model_scale


@compiled(
    "void(complex64[::1], complex64[::1], float32, float32, int64, int64, "
    "float32[::1], float32[::1], float32[::1], float32[::1])"
)
def synthesise_hop(
    spectrum: Complex64,
    mask: Complex64,
    floor: float,
    bypass: float,
    shared_bins: int,
    top_band_start: int,
    time: Float32,
    window: Float32,
    overlap: Float32,
    out: Float32,
) -> None:
    """Apply the gain to a spectrum, transform it back and finish one hop.

    Args:
        spectrum: (window_length // 2 + 1,) changed.
        mask, floor, bypass, shared_bins, top_band_start: see ``rtdenoise.gain.apply_gain``.
        time: (window_length,) scratch.
        window: (2 * hop_length,) synthesis window.
        overlap: (hop_length,) what the previous hop left for this one; replaced by what this one leaves.
        out: (hop_length,) finished samples, one hop older than the newest ones of the analysis.
    """
    apply_gain(spectrum, mask, floor, bypass, shared_bins, top_band_start)
    size, hop = time.shape[0], out.shape[0]
    c2r(spectrum, time, _AXIS, False, 1.0 / size, 1)
    for i in range(hop):
        out[i] = overlap[i] + time[size - 2 * hop + i] * window[i]
        overlap[i] = time[size - hop + i] * window[hop + i]


def synthesise_hop_numpy(
    spectrum: Complex64,
    mask: Complex64,
    floor: float,
    bypass: float,
    shared_bins: int,
    top_band_start: int,
    time: Float32,
    window: Float32,
    overlap: Float32,
    out: Float32,
) -> None:
    """The same as ``synthesise_hop``, written to be read."""
    apply_gain_numpy(spectrum, mask, floor, bypass, shared_bins, top_band_start)
    time[:] = np.fft.irfft(spectrum, len(time))
    newest = time[-len(window) :] * window
    hop = len(out)
    out[:] = overlap + newest[:hop]
    overlap[:] = newest[hop:]
