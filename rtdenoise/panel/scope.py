"""The last second of sound, for those who draw it: a ring in shared memory, filled by an audio thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .shared import SharedMemory

Float32 = NDArray[np.float32]

_LENGTH = 1 << 17  # samples: some seconds at 48 kHz, a third of one at the highest rate
_MARGIN = 1 << 14  # of the oldest ones, that may be overwritten while they are read


class Scope:
    """One end of the sound. One thread writes; what reads is another process and may be late, then it misses some.

    Args:
        path: of one that was made; by default a new one is made.

    Raises:
        OSError: it cannot be made or mapped.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._shared = SharedMemory(8 + 4 * _LENGTH, ".scope", path)
        self.path = self._shared.path
        self._count = np.frombuffer(self._shared.memory, np.uint64, 1)
        self._ring = np.frombuffer(self._shared.memory, np.float32, offset=8)
        self._written = self._seen = int(self._count[0])

    def write(self, samples: Float32) -> None:
        """Copy ``(n,)`` float32 in."""
        samples = samples[-_LENGTH:]
        place = self._written % _LENGTH
        first = min(len(samples), _LENGTH - place)
        self._ring[place : place + first] = samples[:first]
        self._ring[: len(samples) - first] = samples[first:]
        self._written += len(samples)
        self._count[0] = self._written

    def read(self) -> Float32:
        """What was written since the last call, ``(n,)`` float32; the newest of it where that is more than is kept."""
        end = int(self._count[0])
        begin = max(self._seen, end - (_LENGTH - _MARGIN))
        self._seen = end
        return self._ring[np.arange(begin, end) % _LENGTH]

    def remove(self) -> None:
        """Unmap and delete it, if the other side has not."""
        del self._count, self._ring
        self._shared.remove()
