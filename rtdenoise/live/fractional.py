"""A resampler whose ratio may change at any sample: for clocks that differ a little, and for devices of two rates.

Band-limited interpolation with a windowed sinc (Smith and Gossett, "A flexible sampling-rate conversion method", 1984):
each output sample is a weighted mean of the input around its moment, and the weights come from a table of 512 moments
between two samples, with straight lines in between. soxr's variable streams do the same and better, but hold back 240
samples, which at 16 kHz is as long as the engine itself; here it is the reach of the sinc, 16 samples.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled

Float32 = NDArray[np.float32]

_PHASES = 512
_DRIFT_REACH, _DRIFT_BETA = 16, 8.0
_CONVERSION_REACH, _CONVERSION_BETA, _CONVERSION_PASSBAND = 32, 9.0, 0.93


class FractionalResampler:
    """A stream whose output samples lie ``step`` input samples apart.

    With ``step`` 1 from the start it gives out its input, to the bit. Until the first `convert` it may be fed with
    `remember` instead: it then starts without a seam, at the very sample where the other path ended.

    Args:
        step: input samples for each output sample. About 1 (within a percent) makes a filter for clocks that differ,
            16 samples long each way; anything else one that converts rates, without what would alias or mirror.

    Attributes:
        step: may be set between two calls, near the first value.
        reach: input samples after its own moment that an output sample waits for.
    """

    def __init__(self, step: float = 1.0) -> None:
        self.step = step
        self._nominal_step = step
        if abs(step - 1.0) < 0.01:
            self.reach, cutoff, beta = _DRIFT_REACH, 1.0, _DRIFT_BETA
        else:
            shrink = max(1.0, step)
            self.reach, beta = math.ceil(_CONVERSION_REACH * shrink), _CONVERSION_BETA
            cutoff = _CONVERSION_PASSBAND / shrink
        self._table = sinc_table(self.reach, cutoff, beta)
        self._time = np.zeros(1)  # of the next output, from the sample before which its first weight lies
        self._kept: Float32 = np.zeros(self.reach - 1, np.float32)

    @property
    def behind(self) -> float:
        """By how many input samples the next output's moment lies before that of the next input sample."""
        return len(self._kept) - (self.reach - 1) - float(self._time[0])

    def remember(self, samples: Float32) -> None:
        """Take in (n,) float32 that went another way."""
        self._kept = np.concatenate([self._kept, samples])[-(self.reach - 1) :]

    def convert(self, samples: Float32) -> Float32:
        """Take in (n,) float32 and give out (m,) float32, all whose surroundings are known."""
        known = np.concatenate([self._kept, samples])
        out = np.empty(math.ceil((len(known) + 1) / (0.99 * self._nominal_step)), np.float32)
        made = interpolate(known, self._table, self._time, self.step, out)
        used = min(int(self._time[0]), len(known))
        self._time[0] -= used
        self._kept = known[used:]
        return out[:made]

    def skip(self, count: int) -> int:
        """Leave out ``count`` input samples: returns the output samples that would have been, and go on after them."""
        passed = max(0, math.ceil((self.behind + count) / self.step))
        rest = passed * self.step - self.behind - count
        self._time[0] = max(0.0, rest)
        self._kept = np.zeros(self.reach - 1, np.float32)
        return passed


@lru_cache(maxsize=16)
def sinc_table(reach: int, cutoff: float, beta: float) -> Float32:
    """Weights for each moment between two samples, the next sample's own included.

    Args:
        reach: samples on each side.
        cutoff: share of the band up to half the input's rate that passes; with 1 the first row is a single 1.
        beta: of the Kaiser window; 8 attenuates by 80 dB.

    Returns:
        (513, 2 * reach) float32; each row sums to 1, so that a constant stays one.
    """
    moments = np.arange(_PHASES + 1)[:, np.newaxis] / _PHASES
    distance = np.arange(2 * reach) - (reach - 1) - moments
    inside = np.maximum(0.0, 1.0 - (distance / reach) ** 2)
    weights = np.sinc(cutoff * distance) * np.i0(beta * np.sqrt(inside)) * (np.abs(distance) < reach)
    weights[np.abs(weights) < 1e-15] = 0.0  # what sin(n * pi) leaves
    table: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return table


@compiled("int64(float32[::1], float32[:, ::1], float64[::1], float64, float32[::1])")
def interpolate(samples: Float32, table: Float32, time: NDArray[np.float64], step: float, out: Float32) -> int:
    """Fill ``out`` from its beginning while all samples around the next moment are known; returns how many were made.

    Args:
        samples: (n,) float32.
        table: see `sinc_table`.
        time: (1,) float64, the first sample that goes into the next output, and how far its moment is past a sample's;
            moved on.
        step: from one output to the next.
        out: (m,) float32, long enough.
    """
    taps = table.shape[1]
    phases = table.shape[0] - 1
    moment = time[0]
    made = 0
    while made < out.shape[0]:
        first = int(moment)
        if first + taps > samples.shape[0]:
            break
        place = (moment - first) * phases
        row = int(place)
        share = np.float32(place - row)
        total = np.float32(0.0)
        for tap in range(taps):
            weight = table[row, tap] + share * (table[row + 1, tap] - table[row, tap])
            total += samples[first + tap] * weight
        out[made] = total
        made += 1
        moment += step
    time[0] = moment
    return made


def interpolate_numpy(samples: Float32, table: Float32, moment: float, step: float) -> Float32:
    """The same as `interpolate`, written to be read; returns what was made."""
    taps, phases = table.shape[1], table.shape[0] - 1
    made = []
    while int(moment) + taps <= len(samples):
        first = int(moment)
        row, share = divmod((moment - first) * phases, 1.0)
        weights = (1.0 - share) * table[int(row)].astype(np.float64) + share * table[int(row) + 1]
        made.append(np.dot(samples[first : first + taps], weights))
        moment += step
    return np.asarray(made, np.float32)
