"""From the captured to the played clock: out of the way until drift is noticed, unless the devices have two rates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .drift import DriftController
from .fractional import FractionalResampler
from .timeline import Timeline

Float32 = NDArray[np.float32]


class Stretch:
    """What the worker sends denoised samples through on their way to an output device.

    Args:
        timeline: learns how captured and played samples correspond.
        drift: says by how much to stretch.
        step: captured samples for each played one, by the devices' nominal rates.

    Attributes:
        delay: by how many played samples it holds back what it is brought, while nothing has been noticed.
    """

    def __init__(self, timeline: Timeline, drift: DriftController, step: float) -> None:
        self._timeline, self._drift, self._step = timeline, drift, step
        self._resampler = FractionalResampler(step)
        self._engaged = step != 1.0
        self._taken = self._made = 0
        self.delay = math.ceil(self._resampler.reach / step) + 1 if self._engaged else 0

    def convert(self, samples: Float32) -> Float32:
        """Take in (n,) float32 and give out those that are ready: the very same until drift is noticed."""
        self._taken += len(samples)
        if not self._engaged and not self._drift.noticed:
            self._resampler.remember(samples)
            self._made += len(samples)
            return samples
        self._engaged = True
        self._resampler.step = self._step * (1.0 + self._drift.correction)
        made = self._resampler.convert(samples)
        self._made += len(made)
        self._tell()
        return made

    def skip(self, count: int) -> int:
        """Leave out ``count`` captured samples; returns how many played ones that is."""
        self._taken += count
        passed = self._resampler.skip(count) if self._engaged else count
        self._made += passed
        if self._engaged:
            self._tell()
        return passed

    def as_captured(self, count: int) -> int:
        """So many played samples as a number of captured ones."""
        return round(count * self._timeline.anchor[2])

    def _tell(self) -> None:
        self._timeline.anchor = (self._taken - self._resampler.behind, self._made, self._resampler.step)
