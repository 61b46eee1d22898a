"""Between the model's mask and the spectrum: what a voice's own period says about the noise between its harmonics.

All of it works on bands of 200 Hz and wider and nothing looks ahead. A comb: the mean of the two windows of the input
that lie one and two pitch periods back is mixed into this one, and what does not repeat becomes quieter (Chen and
Gersho, "Adaptive postfiltering for quality enhancement of coded speech", 1995; in bands as in Valin, "A hybrid DSP/deep
learning approach to real-time full-band speech enhancement", 2018). How much it counts in each band a small net says
(``comb_net``), which hears how far the mask is closed there, how coherent those windows are with this one and how loud
against it, and how periodic the whole is. An expander for the residue: where the mask of a band has been nearly closed
for a while, it is closed further. And where somebody speaks up after a pause, the comb rests and the mask opens a
little, since both come late there. None of it does anything where the mask is open, so clean speech stays as it is.

The kernel has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rocket_fft import c2r, r2c

from .comb_net import UNITS, net_step, net_step_numpy
from .compiled import compiled, helper
from .config import TransformConfig

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

#: Edges of the bands, in Hz; the last one takes all that is above.
_EDGES = (0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 2000, 2400, 2800, 3200, 4000, 4800, 5600, 6800)
BANDS = len(_EDGES)
#: What the net hears: of each band its gain, coherence, the amplitude of the windows before against this one's, the
#: square root of its part in the amplitude of all, and that of its gain; then how periodic the whole is, and the lag in
#: octaves.
FEATURES = 5 * BANDS + 2

#: Voices are looked for between 62.5 and 500 Hz, in what a low-pass of second order at 1500 Hz lets through.
_HIGHEST_PITCH, _VOICE_HERTZ = 500, 1500.0
#: A shorter period is taken if it repeats nearly as well as the best one, which may be its multiple.
_AS_GOOD = 0.85
#: How much more the windows of before count than the net says, which learned to let through whole speech rather than
#: to be quiet; below which periodicity nothing happens.
_STRENGTH, LEAST_PERIODIC = 8.0, 0.2
#: The expander for the bands of 400 to 1200 and of 2400 to 6800 Hz: below which gain it acts, and with which exponent.
_FIRST_LOW, _LAST_LOW, _CLOSED_LOW, _EXPONENT_LOW = 2, 5, 0.6, 1.5
_FIRST_HIGH, _LAST_HIGH, _CLOSED_HIGH, _EXPONENT_HIGH = 10, 15, 0.15, 2.0
#: What it leaves at least, and what a gain fades by each hop.
_LEAST_FACTOR, _RELEASE = 0.05, 0.85
#: Somebody speaks where a thirtieth of the loudest power of late passes; what the loudest fades by each hop, and how
#: fast it is learned that somebody does (200 ms). Then the exponent by which gains, at least so large, open up.
_SPEAKS, _LOUDEST_FADES, _LEARNING, _OPENING, _LEAST_OPENED = 30.0, 0.995, 0.04, 0.15, 0.03

_AXIS = np.array([0])
_TINY = 1e-14


class Plan(NamedTuple):
    """What the kernel needs to know about a pair of transforms, the model's and the stream's."""

    starts: NDArray[np.uint64]  #: (BANDS + 1,) bins; a negative index would be looked for, which takes time
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
        np.array([*starts, trained.n_bins], np.uint64),
        (1 / (1 + (hertz / _VOICE_HERTZ) ** 4) ** 2).astype(np.float32),
        (correlation / correlation[0]).astype(np.float32),
        trained.sample_rate // _HIGHEST_PITCH,
        stream.sample_rate / trained.sample_rate,
    )


class Parts(NamedTuple):
    """The numbers of one stream: ``held``, ``spoken`` and the second half of ``hidden`` are memory, the rest is scratch
    that may be read afterwards."""

    held: Float32  #: (BANDS,) the gains of late
    spoken: Float32  #: (2,) the loudest power of late, and which part of the time of late somebody spoke
    hidden: Float32  #: (2 * UNITS,)
    gains: Float32  #: (BANDS,) the share of each band's amplitude that passed the mask
    features: Float32  #: (FEATURES,) what the net heard
    gates: Float32  #: (6 * UNITS,)
    shares: Float32  #: (BANDS,) what it said: logarithms of how much the windows before count, against 1 for this one


_LENGTHS = (BANDS, 2, 2 * UNITS, BANDS, FEATURES, 6 * UNITS, BANDS)
_SPOKEN, _HIDDEN, _GAINS, _HEARD, _GATES, _SHARES, _END = itertools.accumulate(_LENGTHS)


def parts(numbers: Any) -> Parts:
    """Views of ``Memory.numbers``."""
    return Parts(
        numbers[:_SPOKEN],
        numbers[_SPOKEN:_HIDDEN],
        numbers[_HIDDEN:_GAINS],
        numbers[_GAINS:_HEARD],
        numbers[_HEARD:_GATES],
        numbers[_GATES:_SHARES],
        numbers[_SHARES:_END],
    )


_parts_of = helper(parts)


class Memory(NamedTuple):
    """What the kernel writes to besides spectrum and mask; all but ``numbers`` is scratch."""

    numbers: Float32  #: see ``Parts``; one array, since each that a kernel is called with takes its time
    power: Complex64  #: (model_bins,)
    correlation: Float32  #: (model's window_length,)
    delayed: Complex64  #: (n_bins,) mean of the windows before


def memory(trained: TransformConfig, stream: TransformConfig) -> Memory:
    """That of a new stream."""
    numbers = np.zeros(_END, np.float32)
    parts(numbers).spoken[1] = 1  # a stream that starts in noise is no word that begins
    return Memory(
        numbers,
        np.zeros(trained.n_bins, np.complex64),
        np.zeros(trained.window_length, np.float32),
        np.zeros(stream.n_bins, np.complex64),
    )


class PitchFilter:
    """The filter of one stream.

    Args:
        trained: the model's transform.
        stream: the same at the stream's rate.
        model_analysis: (trained.window_length,) the model's analysis window.
        weights: (comb_net.weight_count(FEATURES, BANDS),) of the net that came with the model.

    Attributes:
        memory: of the stream.
        reach: samples of the stream before the newest window that the comb reads: twice the longest period, half a
            window.
    """

    def __init__(
        self, trained: TransformConfig, stream: TransformConfig, model_analysis: Float32, weights: Float32
    ) -> None:
        self.memory = memory(trained, stream)
        self._rest: tuple[Any, ...] = (*plan(trained, stream, model_analysis), weights, *self.memory)
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
        filter_hop(history, window, windowed, spectrum, mask, shared_bins, strength, *self._rest)


@compiled(
    "void(float32[::1], float32[::1], float32[::1], complex64[::1], complex64[::1], uint64, float32, uint64[::1], "
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
    starts: NDArray[np.uint64],
    low_pass: Float32,
    window_correlation: Float32,
    shortest: int,
    lag_scale: float,
    weights: Float32,
    numbers: Float32,
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
        weights: of the net.
        numbers, power, correlation, delayed: see ``Memory``.
    """
    held, spoken, hidden, gains, features, gates, shares = _parts_of(numbers)
    whole = passed = changed = np.float32(0.0)
    for k in range(shared_bins, power.shape[0]):
        power[k] = 0.0
    for b in range(BANDS):
        before = after = np.float32(0.0)
        for k in range(starts[b], min(starts[b + 1], shared_bins)):
            x = spectrum[k].real * spectrum[k].real + spectrum[k].imag * spectrum[k].imag
            y = x * (mask[k].real * mask[k].real + mask[k].imag * mask[k].imag)
            before += x
            after += y
            power[k] = y * low_pass[k]
        gains[b] = math.sqrt(min(np.float32(1.0), after / (before + np.float32(_TINY))))
        features[3 * BANDS + b] = after
        whole += before
        passed += after
        changed += after * (np.float32(1.0) - gains[b] * gains[b])
    spoken[0] = max(passed, np.float32(_LOUDEST_FADES) * spoken[0])
    speaks = min(np.float32(1.0), np.float32(_SPEAKS) * passed / (spoken[0] + np.float32(_TINY)))
    begins = max(np.float32(0.0), speaks - spoken[1])
    begins = min(np.float32(1.0), np.float32(2.0) * begins * begins)
    spoken[1] += np.float32(_LEARNING) * (speaks - spoken[1])
    lag, periodic = shortest, np.float32(0.0)
    # A thousandth of the power that the mask has touched, or let through: nothing there to be mended.
    if changed > np.float32(1e-3) * passed + np.float32(_TINY) and passed > np.float32(1e-3) * whole:
        c2r(power, correlation, _AXIS, False, 1.0, 1)
        periodic = np.float32(-1.0)
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
        periodic = max(np.float32(0.0), min(np.float32(1.0), periodic))
    voiced = periodic > np.float32(LEAST_PERIODIC)
    if voiced:
        once = int(lag * lag_scale + 0.5)
        start = history.shape[0] - window.shape[0] - once
        one_back, two_back = history[start:], history[start - once :]
        for i in range(window.shape[0]):
            windowed[i] = np.float32(0.5) * (one_back[i] + two_back[i]) * window[i]
        r2c(windowed, delayed, _AXIS, True, 1.0, 1)
    for b in range(BANDS):
        coherent = louder = np.float32(0.0)
        here = features[3 * BANDS + b]
        if voiced:
            there = both = np.float32(0.0)
            for k in range(starts[b], min(starts[b + 1], shared_bins)):
                gain = mask[k].real * mask[k].real + mask[k].imag * mask[k].imag
                x, p = spectrum[k], delayed[k]
                there += gain * (p.real * p.real + p.imag * p.imag)
                both += gain * (x.real * p.real + x.imag * p.imag)
            coherent = both / math.sqrt(here * there + np.float32(_TINY))
            louder = math.sqrt(min(np.float32(4.0), there / (here + np.float32(_TINY))))
        features[b] = gains[b]
        features[BANDS + b] = coherent
        features[2 * BANDS + b] = louder
        features[3 * BANDS + b] = math.sqrt(math.sqrt(here / (passed + np.float32(_TINY))))
        features[4 * BANDS + b] = math.sqrt(gains[b])
    features[5 * BANDS] = periodic
    features[5 * BANDS + 1] = math.log2(np.float32(lag))
    net_step(weights, features, hidden, gates, shares)
    if voiced:
        for b in range(BANDS):
            square = gains[b] * gains[b]
            share = np.float32(_STRENGTH) * strength * (np.float32(1.0) - square * square)
            share *= (np.float32(1.0) - begins) * math.exp(min(np.float32(5.0), shares[b]))
            own = np.float32(1.0) / (np.float32(1.0) + share)
            for k in range(starts[b], min(starts[b + 1], shared_bins)):
                x, p = spectrum[k], delayed[k]
                spectrum[k] = complex(own * (x.real + share * p.real), own * (x.imag + share * p.imag))
    for b in range(BANDS):
        factor = np.float32(1.0)
        if begins > 0.0:
            factor = max(np.float32(_LEAST_OPENED), gains[b]) ** (np.float32(-_OPENING) * begins)
        if _FIRST_LOW <= b <= _LAST_HIGH:
            gain = max(gains[b - 1], gains[b], gains[b + 1], np.float32(_RELEASE) * held[b])
            held[b] = gain
            if b <= _LAST_LOW and gain < np.float32(_CLOSED_LOW):
                closing = (gain / np.float32(_CLOSED_LOW)) ** np.float32(_EXPONENT_LOW)
                factor *= max(np.float32(_LEAST_FACTOR), closing)
            elif b >= _FIRST_HIGH and gain < np.float32(_CLOSED_HIGH):
                closing = (gain / np.float32(_CLOSED_HIGH)) ** np.float32(_EXPONENT_HIGH)
                factor *= max(np.float32(_LEAST_FACTOR), closing)
        if factor != np.float32(1.0):
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
    starts: NDArray[np.uint64],
    low_pass: Float32,
    window_correlation: Float32,
    shortest: int,
    lag_scale: float,
    weights: Float32,
    numbers: Float32,
    power: Complex64,
    correlation: Float32,
    delayed: Complex64,
) -> None:
    """The same as ``filter_hop``, written to be read."""
    held, spoken, hidden, gains, features, gates, shares = parts(numbers)
    bands = [slice(a, b) for a, b in itertools.pairwise(starts)]

    def powers(a: NDArray[np.complexfloating], b: NDArray[np.complexfloating]) -> NDArray[np.float64]:
        return np.array([np.vdot(b[band], a[band]).real for band in bands])

    x = np.zeros(len(mask), np.complex128)
    x[:shared_bins] = spectrum[:shared_bins]
    y = x * mask
    before, after = powers(x, x), powers(y, y)
    gains[:] = np.sqrt(np.minimum(1, after / (before + _TINY)))
    spoken[0] = max(np.sum(after), _LOUDEST_FADES * spoken[0])
    speaks = min(1.0, _SPEAKS * np.sum(after) / (spoken[0] + _TINY))
    begins = min(1.0, 2 * max(0.0, speaks - spoken[1]) ** 2)
    spoken[1] += _LEARNING * (speaks - spoken[1])
    lag, periodic = shortest, 0.0
    if np.sum(after * (1 - gains**2)) > 1e-3 * np.sum(after) + _TINY and np.sum(after) > 1e-3 * np.sum(before):
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
        periodic = float(np.clip(likeness[lag], 0, 1))
    coherent = louder = np.zeros(BANDS)
    if voiced := periodic > LEAST_PERIODIC:
        once, newest = int(lag * lag_scale + 0.5), np.arange(-len(window), 0)
        windowed[:] = 0.5 * (history[newest - once] + history[newest - 2 * once]) * window
        delayed[:] = np.fft.rfft(windowed)
        p = np.zeros(len(mask), np.complex128)
        p[:shared_bins] = delayed[:shared_bins]
        there = powers(p * mask, p * mask)
        coherent = powers(y, p * mask) / np.sqrt(after * there + _TINY)
        louder = np.sqrt(np.minimum(4, there / (after + _TINY)))
    part = np.sqrt(np.sqrt(after / (np.sum(after) + _TINY)))
    features[:] = np.concatenate([gains, coherent, louder, part, np.sqrt(gains), [periodic, np.log2(lag)]])
    net_step_numpy(weights, features, hidden, gates, shares)
    if voiced:
        share = _STRENGTH * strength * (1 - gains**4) * (1 - begins) * np.exp(np.minimum(5, shares))
        for band, s in zip(bands, share, strict=True):
            x[band] = (x[band] + s * p[band]) / (1 + s)
        spectrum[:shared_bins] = x[:shared_bins]
    for band, gain in zip(bands, gains, strict=True):
        mask[band] *= max(_LEAST_OPENED, gain) ** (-_OPENING * begins)
    for b in range(_FIRST_LOW, _LAST_HIGH + 1):
        held[b] = max(float(gains[b - 1 : b + 2].max()), _RELEASE * float(held[b]))
        if b <= _LAST_LOW:
            mask[bands[b]] *= np.clip((held[b] / _CLOSED_LOW) ** _EXPONENT_LOW, _LEAST_FACTOR, 1)
        elif b >= _FIRST_HIGH:
            mask[bands[b]] *= np.clip((held[b] / _CLOSED_HIGH) ** _EXPONENT_HIGH, _LEAST_FACTOR, 1)
