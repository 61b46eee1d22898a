"""Where the worker gets samples from: a device, through its callback and a ring, or a file or pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..stats import Stats
from .realtime import Alarm, Faults
from .ring_buffer import RingBuffer
from .timeline import Timeline
from .track import Tap

if TYPE_CHECKING:
    from ..files.audio_file import Reader

Float32 = NDArray[np.float32]

_NOTHING: Float32 = np.zeros(0, dtype=np.float32)


class DeviceSource:
    """An input device: the callback downmixes into a ring and wakes the worker.

    Args:
        ring: between callback and worker.
        timeline: is told of all that comes in.
        block_length: samples that the driver brings at a time.
        hop_length: samples that `pull` gives at most.
        stats: overruns and the driver's own complaints.
        tap: gets a copy of all that comes in.
        alarm: wakes the worker.
        faults: keeps what goes wrong in the callback.
    """

    ended = False  # a device goes on until it is stopped

    def __init__(
        self,
        ring: RingBuffer,
        timeline: Timeline,
        block_length: int,
        hop_length: int,
        stats: Stats,
        tap: Tap,
        alarm: Alarm,
        faults: Faults,
    ) -> None:
        self.ring, self.timeline = ring, timeline
        self._mono: Float32 = np.zeros(block_length, dtype=np.float32)
        self._pulled: Float32 = np.zeros(hop_length, dtype=np.float32)
        self._stats, self._tap, self._alarm, self._faults = stats, tap, alarm, faults

    def callback(self, indata: Float32, frames: int, time: Any, status: Any) -> None:
        """What the driver calls with ``(frames, channels)`` float32: copy and count, nothing else."""
        try:
            if status and status.input_overflow:
                self._stats.input_overflows += 1
            if indata.shape[1] == 1:
                mono = indata[:, 0]
            else:
                mono = self._mono[:frames]
                np.mean(indata, axis=1, out=mono)
            self._tap.take(mono)
            taken = self.ring.write(mono)
            self.timeline.arrive(self.ring.written)
            self._stats.samples_in += taken
            if taken < frames:
                self._stats.overruns += 1
                self._stats.overrun_samples += frames - taken
        except BaseException as error:  # the driver's thread has nobody above it who would hear of it
            self._faults.keep(error)
        self._alarm.ring()

    def pull(self, wanted: int) -> Float32:
        """Up to a hop of samples, valid until the next call; none when none are there."""
        return self._pulled[: self.ring.read_into(self._pulled[:wanted])]

    def drop(self, count: int) -> int:
        """Leave out the oldest ``count`` samples, if so many are there; returns how many were."""
        return self.ring.discard(count)


class ReaderSource:
    """A file or pipe, downmixed, brought to the sample rate of the stream, read as fast as the sink wants it.

    Args:
        reader: where the samples come from; it stays open.
        sample_rate: of the stream, in Hz.
        stats: counts the samples.
        tap: gets a copy of them.
    """

    def __init__(self, reader: Reader, sample_rate: int, stats: Stats, tap: Tap) -> None:
        self.ended = False
        self._reader, self._stats, self._tap = reader, stats, tap
        self._converter: Any = None
        if reader.sample_rate != sample_rate:
            import soxr

            self._converter = soxr.ResampleStream(reader.sample_rate, sample_rate, 1)

    def pull(self, wanted: int) -> Float32:
        """About ``wanted`` samples; none only at the end, when `ended` is set.

        Raises:
            AudioFileError: the source is damaged or was cut in the middle of a sample.
        """
        samples = _NOTHING
        while not len(samples) and not self.ended:  # a converter swallows some before it gives any
            block = self._reader.read(wanted)
            self.ended = not len(block)
            samples = np.ascontiguousarray(block[:, 0]) if block.shape[1] == 1 else block.mean(axis=1)
            if self._converter is not None:
                samples = self._converter.resample_chunk(samples, last=self.ended)
        self._stats.samples_in += len(samples)
        self._tap.take(samples)
        if self.ended:
            self._reader.check_end()
        return samples

    def drop(self, count: int) -> int:
        """A file is never late."""
        return 0
