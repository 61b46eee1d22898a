"""Where the worker puts denoised samples: a device, through a ring and its callback, a file or pipe, or nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..stats import Stats
from .limiter import Limiter
from .playout import LivePlayout, QueuePlayout
from .realtime import Faults
from .ring_buffer import RingBuffer
from .stretch import Stretch
from .track import Tap

if TYPE_CHECKING:
    from ..files.audio_file import Writer

Float32 = NDArray[np.float32]


class DeviceSink:
    """An output device: the callback plays from a ring what a playout says.

    Args:
        ring: between worker and callback.
        playout: decides what is played.
        stretch: brings samples from the captured to the played clock; ``None`` where there is one clock only.
        sample_rate: of the device, in Hz.
        block_length: samples that the driver wants at a time.
        stats: the driver's own complaints.
        tap: gets a copy of all that is played.
        faults: keeps what goes wrong in the callback.
    """

    def __init__(
        self,
        ring: RingBuffer,
        playout: LivePlayout | QueuePlayout,
        stretch: Stretch | None,
        sample_rate: int,
        block_length: int,
        stats: Stats,
        tap: Tap,
        faults: Faults,
    ) -> None:
        self.ring, self.playout = ring, playout
        self._stretch, self._limiter = stretch, Limiter(sample_rate)
        self._mono: Float32 = np.zeros(block_length, dtype=np.float32)
        self._stats, self._tap, self._faults = stats, tap, faults

    def callback(self, outdata: Float32, frames: int, time: Any, status: Any) -> None:
        """What the driver calls to have ``(frames, channels)`` float32 filled: copy and count, nothing else."""
        try:
            if status and status.output_underflow:
                self._stats.output_underflows += 1
            mono = self._mono[:frames]
            self.playout.play(mono)
            outdata[:] = mono[:, np.newaxis]
            if self.playout.settled:
                self._tap.take(mono, self.playout.moved)
        except BaseException as error:  # the driver's thread has nobody above it who would hear of it
            self._faults.keep(error)
            outdata.fill(0.0)

    def push(self, samples: Float32) -> None:
        """Take denoised samples; what does not fit is lost, which only a device that has stopped can bring about."""
        if self._stretch is not None:
            samples = self._stretch.convert(samples)
        samples = self._limiter.limit(samples)
        if self._limiter.gain < 1.0:
            self._stats.limited_samples += len(samples)
        lost = len(samples) - self.ring.write(samples)
        if lost:
            self.playout.leave_out(lost)

    @property
    def room(self) -> int:
        """Samples that may be pushed now."""
        return self.playout.room

    @property
    def overdue(self) -> int:
        """Captured samples whose moment has passed before they were processed."""
        return self.playout.overdue if self._stretch is None else self._stretch.as_captured(self.playout.overdue)

    def leave_out(self, count: int) -> None:
        """Learn that ``count`` captured samples will never be pushed."""
        self.playout.leave_out(count if self._stretch is None else self._stretch.skip(count))

    def finish(self) -> None:
        """Nothing more will be pushed."""
        self.playout.end()

    @property
    def finished(self) -> bool:
        """Whether all that was pushed has been heard."""
        return self.playout.finished


class WriterSink:
    """A file or pipe, or nothing: aligned with the source to the sample, as long as it.

    Args:
        writer: where samples go; it stays open. ``None`` discards them.
        sample_rate: of the stream, in Hz; a writer of another rate gets them converted.
        latency: samples at the beginning of the stream that belong before the source's first.
        stats: counts the samples.
        tap: gets a copy of them.
    """

    room = 1 << 30  # as much as comes
    overdue = 0

    def __init__(self, writer: Writer | None, sample_rate: int, latency: int, stats: Stats, tap: Tap) -> None:
        self.finished = False
        self._writer, self._stats, self._tap, self._latency = writer, stats, tap, latency
        self._converter: Any = None
        if writer is not None and writer.sample_rate != sample_rate:
            import soxr

            self._converter = soxr.ResampleStream(sample_rate, writer.sample_rate, 1)

    def push(self, samples: Float32) -> None:
        """Write denoised samples to every channel.

        Raises:
            AudioFileError, BrokenPipeError: see the writer.
        """
        early = min(self._latency, len(samples))
        self._latency -= early
        self._write(samples[early:], last=False)

    def leave_out(self, count: int) -> None:
        """Never more than 0: nothing is overdue for a file."""

    def finish(self) -> None:
        """Write what a converter still holds."""
        self._write(np.zeros(0, dtype=np.float32), last=True)
        self.finished = True

    def _write(self, samples: Float32, *, last: bool) -> None:
        self._stats.samples_out += len(samples)
        self._tap.take(samples)
        if self._writer is None:
            return
        if self._converter is not None:
            samples = self._converter.resample_chunk(samples, last=last)
        if len(samples):
            self._writer.write(np.repeat(samples[:, np.newaxis], self._writer.channels, axis=1))
