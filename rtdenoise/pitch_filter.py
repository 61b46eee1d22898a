"""Between the model's mask and the spectrum: what a voice's own period says about the noise between its harmonics.

Two filters on bands of 200 Hz and wider, neither of which looks ahead. A comb: where a band of what the mask lets
through repeats after one and two pitch periods, the mean of those two earlier windows of the input is mixed into this
one, and what does not repeat becomes quieter; less so where they are weaker, as where a word begins (Chen and Gersho,
"Adaptive postfiltering for quality enhancement of coded speech", 1995; in bands and by their coherence as in Valin, "A
hybrid DSP/deep learning approach to real-time full-band speech enhancement", 2018). And an expander for the residue:
where the mask of 400 to 1200 Hz has been nearly closed for a while, it is closed further. Neither does anything where
the mask is open, so clean speech stays as it is.

The kernel has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rocket_fft import c2r, r2c

from .compiled import compiled
from .config import TransformConfig

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

#: Edges of the bands, in Hz; the last one takes all that is above.
_EDGES = (0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 2000, 2400, 2800, 3200, 4000, 4800, 5600, 6800)
#: First and last band of the expander.
_FIRST_RESIDUE, _LAST_RESIDUE = 2, 5

#: Voices are looked for between 62.5 and 500 Hz, in what a low-pass of second order at 1500 Hz lets through.
_HIGHEST_PITCH, _VOICE_HERTZ = 500, 1500.0
#: A shorter period is taken if it repeats nearly as well as the best one, which may be its multiple.
_AS_GOOD = 0.85
#: How far the windows of before may count, against 1 for this one; below which periodicity of the whole and coherence
#: of a band nothing happens.
_COMB, _LEAST_PERIODIC, _LEAST_COHERENT = 2.4, 0.3, 0.1
#: The expander: below which gain it acts, with which exponent, what is left at most, and what a gain fades by each hop.
_CLOSED, _EXPONENT, _LEAST_FACTOR, _RELEASE = 0.6, 1.5, 0.05, 0.9

_AXIS = np.array([0])
_TINY = 1e-14


class Plan(NamedTuple):
    """What the kernel needs to know about a pair of transforms, the model's and the stream's."""

    starts: NDArray[np.int64]  #: (bands + 1,) bins
    low_pass: Float32  #: (model_bins,) weights of powers
    window_correlation: Float32  #: (longest + 1,) of the model's analysis window, 1 at lag 0
    shortest: int  #: lag of the highest pitch, in samples of the model
    lag_scale: float  #: samples of the stream per sample of the model


def plan(trained: TransformConfig, stream: TransformConfig, analysis: NDArray[np.floating]) -> Plan:
    """Prepare for a model of ``trained`` whose analysis window is ``analysis``, in a stream of ``stream``."""
    spacing = trained.sample_rate / trained.window_length
    starts = [min(math.ceil(edge / spacing), trained.n_bins) for edge in _EDGES]
    hertz = np.arange(trained.n_bins) * spacing
    correlation = np.fft.irfft(np.abs(np.fft.rfft(analysis)) ** 2)[: trained.window_length // 2 + 1]
    return Plan(
        np.array([*starts, trained.n_bins], np.int64),
        (1 / (1 + (hertz / _VOICE_HERTZ) ** 4) ** 2).astype(np.float32),
        (correlation / correlation[0]).astype(np.float32),
        trained.sample_rate // _HIGHEST_PITCH,
        stream.sample_rate / trained.sample_rate,
    )


class PitchFilter:
    """What one stream remembers for it, and its scratch memory.

    Args:
        trained: the model's transform.
        stream: the same at the stream's rate.
        model_analysis: (trained.window_length,) the model's analysis window.
    """

    def __init__(self, trained: TransformConfig, stream: TransformConfig, model_analysis: Float32) -> None:
        self._plan = plan(trained, stream, model_analysis)
        bands = len(_EDGES)
        self._gains, self._held = np.zeros(bands, np.float32), np.zeros(bands, np.float32)
        self._power = np.zeros(trained.n_bins, np.complex64)
        self._correlation = np.zeros(trained.window_length, np.float32)
        self._delayed = np.zeros(stream.n_bins, np.complex64)
        #: Samples of the stream before the newest window that the comb reads: twice the longest period, half a window.
        self.reach = stream.window_length

    def run(
        self,
        history: Float32,
        window: Float32,
        windowed: Float32,
        spectrum: Complex64,
        mask: Complex64,
        shared_bins: int,
        strength: float,
    ) -> None:
        """See ``filter_hop``."""
        filter_hop(
            history, window, windowed, spectrum, mask, shared_bins, strength, *self._plan,
            self._gains, self._held, self._power, self._correlation, self._delayed,
        )  # fmt: skip


@compiled(
    "void(float32[::1], float32[::1], float32[::1], complex64[::1], complex64[::1], int64, float32, int64[::1], "
    "float32[::1], float32[::1], int64, float64, float32[::1], float32[::1], complex64[::1], float32[::1], "
    "complex64[::1])"
)
def filter_hop(
    history: Float32,
    window: Float32,
    windowed: Float32,
    spectrum: Complex64,
    mask: Complex64,
    shared_bins: int,
    strength: float,
    starts: NDArray[np.int64],
    low_pass: Float32,
    window_correlation: Float32,
    shortest: int,
    lag_scale: float,
    gains: Float32,
    held: Float32,
    power: Complex64,
    correlation: Float32,
    delayed: Complex64,
) -> None:
    """Change ``spectrum`` and ``mask`` of one hop in place.

    Args:
        history: (window_length + reach,) the stream's newest samples.
        window: (window_length,) its analysis window.
        windowed: (window_length,) scratch.
        spectrum: (n_bins,) of the newest window; the comb changes its ``shared_bins`` lowest.
        mask: (model_bins,) the expander changes it.
        shared_bins: bins that model and stream have in common.
        strength: of the comb, 0..1.
        starts, low_pass, window_correlation, shortest, lag_scale: see ``Plan``.
        gains: (bands,) written: the share of each band's amplitude that passed the mask.
        held: (bands,) the gains of late; the only memory.
        power: (model_bins,) scratch.
        correlation: (model's window_length,) scratch.
        delayed: (n_bins,) scratch.
    """
    bands = gains.shape[0]
    passed = changed = np.float32(0.0)
    for k in range(shared_bins, power.shape[0]):
        power[k] = 0.0
    for b in range(bands):
        before = after = np.float32(0.0)
        for k in range(starts[b], min(starts[b + 1], shared_bins)):
            x = spectrum[k].real * spectrum[k].real + spectrum[k].imag * spectrum[k].imag
            y = x * (mask[k].real * mask[k].real + mask[k].imag * mask[k].imag)
            before += x
            after += y
            power[k] = y * low_pass[k]
        gains[b] = math.sqrt(min(np.float32(1.0), after / (before + np.float32(_TINY))))
        passed += after
        changed += after * (np.float32(1.0) - gains[b] * gains[b])
    # A thousandth of the power that the mask has touched: nothing there to be mended.
    if changed > np.float32(1e-3) * passed + np.float32(_TINY):
        c2r(power, correlation, _AXIS, False, 1.0, 1)
        lag, periodic = shortest, np.float32(-1.0)
        for i in range(shortest, window_correlation.shape[0]):
            correlation[i] /= correlation[0] * window_correlation[i]
            if correlation[i] > periodic:
                lag, periodic = i, correlation[i]
        for divisor in range(2, 5):
            near = int(np.float32(lag) / np.float32(divisor) + np.float32(0.5))
            if near >= shortest:
                best = max(shortest, near - 2)
                for i in range(best, near + 3):
                    if correlation[i] > correlation[best]:
                        best = i
                if correlation[best] > np.float32(_AS_GOOD) * periodic:
                    lag, periodic = best, correlation[best]
                    break
        voiced = (min(np.float32(1.0), periodic) - np.float32(_LEAST_PERIODIC)) / np.float32(1.0 - _LEAST_PERIODIC)
        if voiced > 0.0:
            once = int(lag * lag_scale + 0.5)
            start = history.shape[0] - window.shape[0]
            for i in range(window.shape[0]):
                earlier = history[start + i - once] + history[start + i - 2 * once]
                windowed[i] = np.float32(0.5) * earlier * window[i]
            r2c(windowed, delayed, _AXIS, True, 1.0, 1)
            for b in range(bands):
                here = there = both = np.float32(0.0)
                last = min(starts[b + 1], shared_bins)
                for k in range(starts[b], last):
                    gain = mask[k].real * mask[k].real + mask[k].imag * mask[k].imag
                    x, p = spectrum[k], delayed[k]
                    here += gain * (x.real * x.real + x.imag * x.imag)
                    there += gain * (p.real * p.real + p.imag * p.imag)
                    both += gain * (x.real * p.real + x.imag * p.imag)
                coherent = both / math.sqrt(here * there + np.float32(_TINY))
                coherent = (coherent - np.float32(_LEAST_COHERENT)) / np.float32(1.0 - _LEAST_COHERENT)
                if coherent > 0.0:
                    closed = math.sqrt(np.float32(1.0) - gains[b] * gains[b])
                    steady = min(np.float32(1.0), there / (here + np.float32(_TINY)))
                    share = np.float32(_COMB) * strength * voiced * coherent * closed * math.sqrt(closed)
                    share *= steady * steady
                    own = np.float32(1.0) / (np.float32(1.0) + share)
                    for k in range(starts[b], last):
                        x, p = spectrum[k], delayed[k]
                        spectrum[k] = complex(own * (x.real + share * p.real), own * (x.imag + share * p.imag))
    for b in range(_FIRST_RESIDUE, _LAST_RESIDUE + 1):
        gain = max(gains[b - 1], gains[b], gains[b + 1], np.float32(_RELEASE) * held[b])
        held[b] = gain
        if gain < np.float32(_CLOSED):
            factor = max(np.float32(_LEAST_FACTOR), (gain / np.float32(_CLOSED)) ** np.float32(_EXPONENT))
            for k in range(starts[b], starts[b + 1]):
                mask[k] = complex(factor * mask[k].real, factor * mask[k].imag)


def filter_hop_numpy(
    history: Float32,
    window: Float32,
    windowed: Float32,
    spectrum: Complex64,
    mask: Complex64,
    shared_bins: int,
    strength: float,
    starts: NDArray[np.int64],
    low_pass: Float32,
    window_correlation: Float32,
    shortest: int,
    lag_scale: float,
    gains: Float32,
    held: Float32,
    power: Complex64,
    correlation: Float32,
    delayed: Complex64,
) -> None:
    """The same as ``filter_hop``, written to be read."""
    x = np.zeros(len(mask), np.complex128)
    x[:shared_bins] = spectrum[:shared_bins]
    y = x * mask
    bands = [slice(a, b) for a, b in itertools.pairwise(starts)]
    before, after = (np.array([np.sum(np.abs(s[band]) ** 2) for band in bands]) for s in (x, y))
    gains[:] = np.sqrt(np.minimum(1, after / (before + _TINY)))
    if np.sum(after * (1 - gains**2)) > 1e-3 * np.sum(after) + _TINY:
        power[:] = np.abs(y) ** 2 * low_pass
        correlation[:] = np.fft.irfft(power, norm="forward")
        lags = np.arange(len(window_correlation))
        likeness = np.where(lags < shortest, -1, correlation[lags] / correlation[0] / window_correlation)
        lag = int(np.argmax(likeness))
        for divisor in (2, 3, 4):
            near = int(lag / divisor + 0.5)
            if near < shortest:
                continue
            first = max(shortest, near - 2)
            best = first + int(np.argmax(likeness[first : near + 3]))
            if likeness[best] > _AS_GOOD * likeness[lag]:
                lag = best
                break
        voiced = (min(1.0, float(likeness[lag])) - _LEAST_PERIODIC) / (1 - _LEAST_PERIODIC)
        if voiced > 0:
            once, newest = int(lag * lag_scale + 0.5), np.arange(-len(window), 0)
            windowed[:] = 0.5 * (history[newest - once] + history[newest - 2 * once]) * window
            delayed[:] = np.fft.rfft(windowed)
            p = np.zeros(len(mask), np.complex128)
            p[:shared_bins] = delayed[:shared_bins]
            for band, gain in zip(bands, gains, strict=True):
                there = p[band] * mask[band]
                coherent = float(np.vdot(there, y[band]).real)
                coherent /= np.sqrt(np.sum(np.abs(y[band]) ** 2) * np.sum(np.abs(there) ** 2) + _TINY)
                coherent = max(0.0, (coherent - _LEAST_COHERENT) / (1 - _LEAST_COHERENT))
                steady = min(1.0, np.sum(np.abs(there) ** 2) / (np.sum(np.abs(y[band]) ** 2) + _TINY))
                share = _COMB * strength * voiced * coherent * (1 - gain**2) ** 0.75 * steady**2
                x[band] = (x[band] + share * p[band]) / (1 + share)
            spectrum[:shared_bins] = x[:shared_bins]
    for b in range(_FIRST_RESIDUE, _LAST_RESIDUE + 1):
        held[b] = max(float(gains[b - 1 : b + 2].max()), _RELEASE * float(held[b]))
        mask[bands[b]] *= np.clip((held[b] / _CLOSED) ** _EXPONENT, _LEAST_FACTOR, 1)
