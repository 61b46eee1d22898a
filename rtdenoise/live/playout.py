"""What an output callback plays next: the one place where the latency of the rings is decided.

`LivePlayout` follows a clock. It walks through the captured stream at the pace of the output device, come what may:
where the denoised samples are not there yet it plays zeros, and when they come too late they are thrown away. So a
worker that was slow for a moment leaves a gap, and the latency is the same before and after. Where the sound breaks off
or goes on elsewhere, its edges are rounded.

`QueuePlayout` has all the time in the world: it plays a file from its first to its last sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..stats import Stats
from .drift import DriftController
from .realtime import Alarm
from .ring_buffer import RingBuffer
from .seam import Seam
from .timeline import Timeline

Float32 = NDArray[np.float32]

_MOST_SETTLINGS = 10
_OFF_WINDOWS = 3  # in a row: a moment of jitter passes by itself
_HUGE = 1 << 62


class LivePlayout:
    """Plays a captured stream a constant time behind its capture.

    Positions count samples of the captured stream, as the clock of the output device counts them (see `Timeline`).
    `position` is the one to be played next; the level is how many captured samples wait between the two callbacks,
    wherever they are. The lowest level over a while is what the worker has as time to spare; it is held at ``prefill``.
    Its mean tells whether the clocks drift.

    Args:
        timeline: what was captured.
        denoised: the ring to play from.
        stats: where underruns and corrections are counted.
        window: samples over which a level counts as lowest.
        tolerance: samples that the lowest level may wander: a block; half of it upwards, where it stays there.
        settle: a driver starts in bursts: play silence, set the level each half window, and begin when it stood still
            for one.

    Attributes:
        prefill: the level to hold, in samples; set before the first `play`.
        position: see above.
        drift: what is to be done about the clocks.
        moved: samples by which the position was set on to hold the level: less those by which it was set back.
    """

    def __init__(
        self,
        timeline: Timeline,
        denoised: RingBuffer,
        stats: Stats,
        *,
        window: int,
        tolerance: int,
        settle: bool,
    ) -> None:
        self.prefill = self.tail = 0
        self.position = 0
        self.finished = False  # a clock goes on
        self.dropped = 0  # captured samples that the worker left out
        self.moved = 0
        self.settled = not settle
        self.drift = DriftController(stats.output_rate, tolerance)
        self._mean_level: float | None = None
        self._timeline, self._denoised, self._stats = timeline, denoised, stats
        self._window, self._tolerance = window, tolerance
        self._started = self._starving = self._was_short = False
        self._low_windows = self._high_windows = 0
        self._settlings = 0
        self._to_skip = 0  # samples that a correction passes over: they were not late
        self._seam = Seam(stats.output_rate)
        self._lowest, self._level_sum, self._collected_sum, self._blocks, self._seen = _HUGE, 0, 0.0, 0, 0

    def play(self, out: Float32) -> None:
        """Fill ``out``, shape ``(n,)`` float32; called by the output callback only."""
        count = len(out)
        captured = self._timeline.captured
        if not self._started:
            if captured <= 0:
                out.fill(0.0)
                return
            self._started = True
            self.position = captured - count - self.prefill
        filled = self._read_into(out)
        if filled < count:
            out[filled:] = 0.0
        self._seam.round(out, filled)
        self._count(filled, count)
        self.position += count
        self._observe_level(captured - self.position, count)

    @property
    def mean_level(self) -> float:
        """Mean of the level over the last whole window, in samples; until there was one, what it is meant to be."""
        return float(self.prefill) if self._mean_level is None else self._mean_level

    @property
    def room(self) -> int:
        """Samples that the worker may bring: what a clock captured is always taken."""
        return self._denoised.capacity

    @property
    def overdue(self) -> int:
        """Captured samples that could not be played any more even if the worker were through with them now."""
        return self.position - self._denoised.written - self.dropped if self._started else 0

    def leave_out(self, count: int) -> None:
        """Learn that ``count`` captured samples will never be brought; called by the worker only."""
        self.dropped += count
        if self.settled:
            self._stats.dropped_samples += count

    def end(self) -> None:
        """Nothing more will be brought: a clock does not care."""

    def _read_into(self, out: Float32) -> int:
        """Fill ``out`` from its beginning with what is due and there; returns how much."""
        ring = self._denoised
        late = self.position - ring.read - self.dropped
        silence = 0
        if late > 0:
            discarded = ring.discard(late)
            skipped = min(discarded, self._to_skip)
            self._to_skip -= skipped
            if self.settled:
                self._stats.late_samples += discarded - skipped
            self._seam.expect()
            if discarded < late:
                return 0
        elif late < 0:  # before the first captured sample, or set back
            silence = min(-late, len(out))
            out[:silence] = 0.0
            self._seam.expect()
        self._to_skip = 0
        filled = silence + ring.read_into(out[silence:])
        if not self.settled:
            out.fill(0.0)
        return filled

    def _count(self, filled: int, count: int) -> None:
        if not self.settled:
            return
        self._stats.samples_out += count
        if filled == count:
            self._starving = False
            return
        if not self._starving:
            self._stats.underruns += 1
            self._starving = True
        self._stats.underrun_samples += count - filled

    def _observe_level(self, level: int, count: int) -> None:
        """Take in the level after each block; judge it once a window."""
        self._lowest = min(self._lowest, level)
        self._level_sum += level
        self._collected_sum += self._timeline.collected
        self._blocks += 1
        self._seen += count
        if self._seen < (self._window if self.settled else self._window // 2):
            return
        self._mean_level = self._level_sum / self._blocks
        error = self._lowest - self.prefill
        short = self._lowest < 0
        self._low_windows = self._low_windows + 1 if error < -self._tolerance else 0
        # Of clocks that differ the level is in the hands of `drift`.
        is_high = error > self._tolerance / 2 and not self.drift.noticed
        self._high_windows = self._high_windows + 1 if is_high else 0
        if not self.settled:
            self._settlings += 1
            self.settled = (self._settlings > 1 and abs(error) <= self._tolerance) or self._settlings == _MOST_SETTLINGS
            self._move(error)
        elif (
            error > self._tolerance
            or (short and self._was_short)
            or _OFF_WINDOWS in (self._low_windows, self._high_windows)
        ):
            # Too much waits, as after a stall. Or too little, and not for a moment only: input was lost.
            self._stats.latency_corrections += 1
            self._stats.latency_correction_samples += abs(error)
            self.moved += error
            self._move(error)
            short = False
            self._low_windows = self._high_windows = 0
        else:
            self._observe_drift()
        self._was_short = short
        self._forget_levels()

    def _observe_drift(self) -> None:
        mean = (self._level_sum + self._collected_sum) / self._blocks
        self.drift.observe(mean, self._seen / self._stats.output_rate)
        self._stats.drift_corrections = self.drift.changes
        self._stats.drift_ppm = self.drift.correction * 1e6

    def _forget_levels(self) -> None:
        self._lowest, self._level_sum, self._collected_sum, self._blocks, self._seen = _HUGE, 0, 0.0, 0, 0

    def _move(self, samples: int) -> None:
        self.position += samples
        self._to_skip += max(0, samples)
        self._mean_level = (self._mean_level or 0.0) - samples
        self.drift.restart()


class QueuePlayout:
    """Plays what a ring holds, in order, all of it; counts an underrun when it runs dry before the end.

    Args:
        denoised: the ring to play from.
        stats: where underruns are counted.
        alarm: rung after each block, as there is room again.
        reserve: samples beyond the prefill that the worker is to bring.

    Attributes:
        prefill: samples that must wait beyond the first block before it is played, and after each underrun.
        tail: samples of silence after the last one until everything has left the device.
    """

    overdue = 0  # a file is never late
    moved, settled = 0, True  # whatever the driver does

    def __init__(self, denoised: RingBuffer, stats: Stats, alarm: Alarm, *, reserve: int) -> None:
        self.prefill = self.tail = 0
        self.finished = False
        self._denoised, self._stats, self._alarm = denoised, stats, alarm
        self._reserve = reserve
        self._source_ended = False
        self._filling = True

    def play(self, out: Float32) -> None:
        """Fill ``out``, shape ``(n,)`` float32; called by the output callback only."""
        self._play(out)
        self._alarm.ring()

    @property
    def mean_level(self) -> float:
        """What is meant to wait, in samples."""
        return float(self.prefill)

    @property
    def room(self) -> int:
        """Samples that the worker may bring."""
        return max(0, self.prefill + self._reserve - self._denoised.readable)

    def leave_out(self, count: int) -> None:
        """Never more than 0 of a file."""

    def end(self) -> None:
        """Nothing more will be brought; called by the worker after its last write."""
        self._source_ended = True

    def _play(self, out: Float32) -> None:
        ended = self._source_ended  # asked first: what was written before it was set is seen below
        readable = self._denoised.readable
        if self._filling and readable < self.prefill + len(out) and not ended:
            out.fill(0.0)
            return
        self._filling = False
        filled = self._denoised.read_into(out)
        self._stats.samples_out += filled
        if filled == len(out):
            return
        out[filled:] = 0.0
        if ended:
            self.tail -= len(out) - filled
            self.finished = self.tail <= 0
        else:
            self._stats.underruns += 1
            self._stats.underrun_samples += len(out) - filled
            self._filling = True
