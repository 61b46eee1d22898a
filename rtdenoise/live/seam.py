"""Rounded edges where sound breaks off, begins again, or goes on elsewhere: what would be a click is a small bump."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_SEAM_SECONDS = 0.0025


class Seam:
    """Adds the step between the last sample before an edge and the first one behind it to what follows, fading.

    Where there is no edge, nothing is changed by a bit.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        count = math.ceil(_SEAM_SECONDS * sample_rate)
        self._fade: Float32 = (0.5 + 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)).astype(np.float32)
        self._last, self._step, self._place = 0.0, 0.0, count
        self._expected = self._missing = False

    def expect(self) -> None:
        """The next block does not go on where the last one ended."""
        self._expected = True

    def round(self, out: Float32, filled: int) -> None:
        """Go over a block, (n,) float32, whose samples from ``filled`` on are missing and zero."""
        if filled:
            if self._expected or self._missing:
                self._begin(float(out[0]))
            self._add(out[:filled])
        if filled < len(out):
            if filled or not self._missing:
                self._begin(0.0)
            self._add(out[filled:])
        self._expected, self._missing = False, filled < len(out)

    def _begin(self, following: float) -> None:
        self._step, self._place = self._last - following, 0

    def _add(self, part: Float32) -> None:
        count = min(len(part), len(self._fade) - self._place)
        if count > 0:
            if self._step:
                part[:count] += np.float32(self._step) * self._fade[self._place : self._place + count]
            self._place += count
        self._last = float(part[-1])
