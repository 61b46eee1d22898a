"""The engine, and somebody to step in for it: the time-aligned dry signal, while the engine is too slow or fails.

Too slow is who misses deadlines one after the other. A single late hop, as any busy machine brings about, leaves a gap
of some milliseconds and is over; a second of undenoised sound would be worse.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..engine import Denoiser
from ..stats import Stats
from ..stft import sanitise
from .ring_buffer import RingBuffer
from .seam import Seam

Float32 = NDArray[np.float32]

#: Hops by which the engine may fall behind, a late one counting for one at most. And, when it is tried again: at all.
_PATIENCE_HOPS, _TRIAL_PATIENCE_HOPS = 3.0, 0.5
_TRIAL_SECONDS = 0.15  # and the engine's latency
_RETURN_SECONDS = 0.064
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 1.0, 32.0
_WELL_SECONDS = 10.0  # after which the next rest is a short one again
_FAILURES_IN_A_ROW = 5

_PLAYING, _RESTING, _TRYING = "playing", "resting", "trying"


class Understudied:
    """A `Denoiser` whose output is cross-faded to the dry signal, equally late, when it cannot keep up, and back.

    Args:
        denoiser: one that is new, or has been reset.
        stats: hops and their load, overloads, failures, dry samples.
        clock: the time in seconds.
        may_rest: whether being slow has consequences; not where no device waits.
    """

    def __init__(self, denoiser: Denoiser, stats: Stats, clock: Callable[[], float], *, may_rest: bool) -> None:
        self._denoiser, self._stats, self._clock, self._may_rest = denoiser, stats, clock, may_rest
        self._rate = denoiser.sample_rate
        self._deadline = denoiser.hop_length / self._rate
        self._delayed = RingBuffer(2 * denoiser.latency + 8 * denoiser.hop_length + self._rate // 4)
        self._delayed.write(np.zeros(denoiser.latency, np.float32))
        self._state = _PLAYING
        self._dry_share = 0.0  # of the last sample
        self._left = 0  # samples until the next state
        self._rest_seconds = _FIRST_REST_SECONDS
        self._well = round(_WELL_SECONDS * self._rate)  # samples played since the last trouble
        self._behind = 0.0  # hops
        self._collected, self._spent_seconds = 0, 0.0
        self._ahead = 0  # samples given out beyond those taken in
        self._surplus = 0  # of a new engine's first output: its forerunner gave it already
        self._failures = 0
        self._seam = Seam(self._rate)

    def process(self, samples: Float32) -> Float32:
        """As `Denoiser.process`, but for (n,) float32 up to a quarter of a second.

        Raises:
            Exception: what the engine raised, if it did so again and again.
        """
        self._delayed.write(samples)
        if self._state == _RESTING:
            self._left -= len(samples)
            if self._left <= 0:
                self._try()
            return self._give(len(samples), self._dry(len(samples)))
        begun = self._clock()
        try:
            ready = self._denoiser.process(samples)
        except Exception as error:
            return self._give(len(samples), self._replace(len(samples), error))
        ready, self._surplus = ready[self._surplus :], max(0, self._surplus - len(ready))
        if self._count_hops(len(samples), self._clock() - begun):
            self._judge()
        return self._give(len(samples), self._mix(ready))

    def flush(self) -> Float32:
        """As `Denoiser.flush`."""
        return self._mix(self._denoiser.flush()[self._surplus :])

    def _give(self, taken: int, out: Float32) -> Float32:
        self._ahead += len(out) - taken
        if len(out):
            self._seam.round(out, len(out))
        return out

    def _count_hops(self, count: int, seconds: float) -> bool:
        """Whether a hop was completed. Short blocks share the time of one."""
        self._spent_seconds += seconds
        self._collected += count
        hops, self._collected = divmod(self._collected, self._denoiser.hop_length)
        if not hops:
            return False
        late = min(1.0, self._spent_seconds / hops / self._deadline - 1.0)
        self._behind = max(0.0, self._behind + late * hops)
        self._stats.record_hops(hops, self._spent_seconds)
        self._spent_seconds = 0.0
        return True

    def _judge(self) -> None:
        if self._may_rest and self._behind > (_TRIAL_PATIENCE_HOPS if self._state == _TRYING else _PATIENCE_HOPS):
            self._stats.overloads += self._state == _PLAYING
            self._rest()

    def _rest(self) -> None:
        """Leave the stage; for longer if the last return was short."""
        if self._state == _TRYING or self._well < _WELL_SECONDS * self._rate:
            self._rest_seconds = min(2.0 * self._rest_seconds, _LONGEST_REST_SECONDS)
        else:
            self._rest_seconds = _FIRST_REST_SECONDS
        self._state, self._left, self._well = _RESTING, round(self._rest_seconds * self._rate), 0

    def _replace(self, count: int, error: Exception) -> Float32:
        """After an exception: a new stream in the engine, and the dry signal until it has heard enough."""
        self._stats.engine_failures += 1
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW:
            raise error
        self._denoiser.reset()
        self._collected, self._spent_seconds = 0, 0.0
        self._surplus = self._ahead
        self._well = 0
        self._seam.expect()
        self._try()
        return self._dry(count)

    def _try(self) -> None:
        """Let the engine run along, unheard, until it has forgotten the gap in what it heard."""
        self._state, self._behind = _TRYING, 0.0
        self._left = self._denoiser.latency + round(_TRIAL_SECONDS * self._rate)

    def _dry(self, count: int) -> Float32:
        """The next ``count`` samples of the dry signal, and nothing else."""
        out = np.zeros(count, np.float32)
        self._delayed.read_into(out)
        sanitise(out, out)
        self._dry_share = 1.0
        self._stats.dry_samples += count
        return out

    def _mix(self, ready: Float32) -> Float32:
        """``ready``, or the dry signal, or a fade between them."""
        count = len(ready)
        if not count:
            return ready
        before = self._dry_share
        if self._state == _RESTING:
            self._dry_share = 1.0
        elif self._state == _TRYING:
            self._left -= count
            if self._left <= 0:
                self._state, self._failures = _PLAYING, 0
            self._dry_share = 1.0
        else:
            self._well += count
            self._dry_share = max(0.0, before - count / (_RETURN_SECONDS * self._rate))
        if before == self._dry_share == 0.0:
            self._delayed.discard(count)
            return ready
        dry = np.zeros(count, np.float32)
        self._delayed.read_into(dry)
        sanitise(dry, dry)
        share = np.linspace(before, self._dry_share, count, dtype=np.float32)
        self._stats.dry_samples += count
        mixed: Float32 = ready + share * (dry - ready)
        return mixed
