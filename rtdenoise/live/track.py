"""What is copied out of the running sound for a recording, and stays in time whatever happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .ring_buffer import RingBuffer

if TYPE_CHECKING:
    from ..files.recording import Recording

Float32 = NDArray[np.float32]

_RING_SECONDS = 8.0  # that a disk may take to answer
_BLOCK_SECONDS = 0.25  # written at a time


class Tap:
    """The place at one end of the sound where a recording can be taken; it outlives devices and recordings.

    Attributes:
        track: where samples are copied to; ``None`` while nothing is recorded.
        onlooker: called with all samples, if there is somebody who draws them; it may only copy.
    """

    def __init__(self) -> None:
        self.track: Track | None = None
        self.onlooker: Callable[[Float32], None] | None = None

    def begin(self) -> None:
        """Sound is about to flow, for the first time or after a break."""
        if self.track is not None:
            self.track.interrupt()

    def take(self, samples: Float32, moved: int = 0) -> None:
        """Copy ``(n,)`` float32; called by the one thread that has them. ``moved``: see `playout.LivePlayout`."""
        track = self.track
        if track is not None:
            track.take(samples, moved)
        if self.onlooker is not None:
            self.onlooker(samples)


class Track:
    """One end of one recording: filled by an audio thread, which only copies, and emptied by the writer's thread.

    Two tracks of one recording lie in time with each other, as their callbacks came: the second begins where the first
    one has got to, after the start and after each break. The break itself is left out of both. (The clock would not
    tell: devices begin with what they have collected for a while.) When a device has stood still while the other went
    on, which `playout.LivePlayout` notices, its track gets silence for it. What did not fit into the ring, as the disk
    did not answer, is silence in the file too.

    Args:
        file: where it goes.
        sample_rate: in Hz.
        leader: the other track of the recording, if that one sets the time.

    Attributes:
        position: samples up to now, silence included; written by the audio thread.
        lost: samples that did not fit.
    """

    def __init__(self, file: Recording, sample_rate: int, leader: Track | None = None) -> None:
        self.file, self.sample_rate = file, sample_rate
        self.position = self.lost = 0
        self._ring = RingBuffer(round(_RING_SECONDS * sample_rate))
        self._block: Float32 = np.zeros(round(_BLOCK_SECONDS * sample_rate), np.float32)
        self._gaps: deque[tuple[int, int]] = deque()  # where in the ring there are how many samples of silence
        self._owed = 0  # samples of silence before the next that is put into the ring
        self._leader, self._follower = leader, None
        self._placed = False
        self._moved = 0  # of the playout, when we looked last
        self._missed = 0  # samples that the leader's device has not brought; written by the follower
        self._made_up = 0  # silence for them; written by the leader
        if leader is not None:
            leader._follower = self

    def interrupt(self) -> None:
        """There is a break; to be called while no audio thread runs."""
        self._placed = False

    def take(self, samples: Float32, moved: int = 0) -> None:
        """Copy ``(n,)`` float32; the audio thread only."""
        if not self._placed and not self._place(len(samples), moved):
            return
        self._keep_in_time(moved)
        self.position += len(samples)
        if self._owed and self._ring.writable:
            self._gaps.append((self._ring.written, self._owed))  # before the samples: whoever sees them sees this
            self._owed = 0
        missed = len(samples) - self._ring.write(samples)
        self._owed += missed
        self.lost += missed

    def drain(self) -> None:
        """Write what has come; the writer's thread only. Raises AudioFileError, see `Recording.write`."""
        while count := self._ring.readable:
            if self._gaps:
                place, silence = self._gaps[0]
                count = min(count, place - self._ring.read)
                if not count:
                    self._gaps.popleft()
                    self._write_silence(silence)
                    continue
            block = self._block[:count]
            self._ring.read_into(block)
            self.file.write(block)

    def finish(self) -> None:
        """Write the rest, when nothing more will come, and close the file. Raises AudioFileError, see `Recording`."""
        self.drain()
        self._write_silence(self._owed)
        self.file.close()

    def _place(self, count: int, moved: int) -> bool:
        """Find where the next ``count`` samples belong, and whether they do: not before the leader has begun."""
        place = 0
        if self._leader is not None:
            if not self._leader._placed:
                return False
            place = round(self._leader.seconds * self.sample_rate) - count
        elif self._follower is not None:  # that one may have gone on for longer before the break
            place = round(self._follower.seconds * self.sample_rate)
        self._owe(max(0, place - self.position))
        self._placed, self._moved = True, moved
        return True

    def _keep_in_time(self, moved: int) -> None:
        """Make up for a device that stood still, or lost what it heard, while the other went on."""
        if self._leader is None:
            missed = self._missed
            self._owe(missed - self._made_up)
            self._made_up = missed
        elif moved != self._moved:
            behind, self._moved = moved - self._moved, moved
            self._owe(max(0, behind))
            self._leader._missed += round(max(0, -behind) * self._leader.sample_rate / self.sample_rate)

    def _owe(self, silence: int) -> None:
        self._owed += silence
        self.position += silence

    @property
    def seconds(self) -> float:
        """How long it is up to now."""
        return self.position / self.sample_rate

    def _write_silence(self, count: int) -> None:
        while count > 0:
            block = self._block[:count]
            block.fill(0.0)
            self.file.write(block)
            count -= len(block)
