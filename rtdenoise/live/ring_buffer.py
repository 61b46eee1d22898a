"""A queue of samples between two threads, without a lock.

One thread writes, one thread reads. Each owns one counter that only ever grows, and looks at the other's: what lies
between the two is readable. The data is copied before the counter moves, so a reader never sees a half-written sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError

Float32 = NDArray[np.float32]


class RingBuffer:
    """Single producer, single consumer, mono float32, allocated once.

    Args:
        capacity: samples that fit at least; rounded up to a power of two, so that a position is one bit mask.

    Raises:
        ParameterError: ``capacity`` is below 1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ParameterError(f"a ring of capacity={capacity} samples holds nothing: give 1 or more")
        self.capacity = 1 << (capacity - 1).bit_length()
        self._mask = self.capacity - 1
        self._data: Float32 = np.zeros(self.capacity, dtype=np.float32)
        self._written = 0
        self._read = 0

    @property
    def written(self) -> int:
        """Samples written since the start."""
        return self._written

    @property
    def read(self) -> int:
        """Samples read or discarded since the start."""
        return self._read

    @property
    def readable(self) -> int:
        """Samples that `read_into` can hand out now; only the writer makes it grow."""
        return self._written - self._read

    @property
    def writable(self) -> int:
        """Samples that `write` can take now; only the reader makes it grow."""
        return self.capacity - (self._written - self._read)

    def write(self, samples: Float32) -> int:
        """Put in what fits of ``samples``, shape ``(n,)`` float32, the oldest first; the writer's thread only.

        Returns:
            Samples taken. The rest is the caller's overrun.
        """
        count = min(len(samples), self.writable)
        start = self._written & self._mask
        first = min(count, self.capacity - start)
        self._data[start : start + first] = samples[:first]
        if first < count:
            self._data[: count - first] = samples[first:count]
        self._written += count
        return count

    def read_into(self, out: Float32) -> int:
        """Fill the beginning of ``out``, shape ``(n,)`` float32, with the oldest samples; the reader's thread only.

        Returns:
            Samples handed out. The rest of ``out`` is untouched: the caller's underrun.
        """
        count = min(len(out), self.readable)
        start = self._read & self._mask
        first = min(count, self.capacity - start)
        out[:first] = self._data[start : start + first]
        if first < count:
            out[first:count] = self._data[: count - first]
        self._read += count
        return count

    def discard(self, count: int) -> int:
        """Throw away the oldest ``count`` samples, or all there are if fewer; the reader's thread only.

        Returns:
            Samples thrown away.
        """
        count = max(0, min(count, self.readable))
        self._read += count
        return count
