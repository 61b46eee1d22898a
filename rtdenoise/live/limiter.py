"""Full scale is where a converter clips, and where a feedback loop ends up: a limiter keeps the sound below it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_ATTACK_SECONDS, _RELEASE_SECONDS = 0.001, 0.3
_RELEASED = 0.999


class Limiter:
    """Turns down what is above full scale, and back up slowly; what stays below is not changed by a bit.

    Args:
        sample_rate: in Hz.

    Attributes:
        gain: at the end of the last block, 1 where nothing was to be done.
    """

    def __init__(self, sample_rate: int) -> None:
        self.gain = 1.0
        self._sample_rate = sample_rate

    def limit(self, samples: Float32) -> Float32:
        """(n,) float32 within full scale: ``samples`` itself if it is and has been for a while."""
        if not len(samples):
            return samples
        peak = max(float(samples.max()), -float(samples.min()))
        if peak <= 1.0 and self.gain == 1.0:
            return samples
        before = self.gain
        released = 1.0 - (1.0 - before) * math.exp(-len(samples) / self._sample_rate / _RELEASE_SECONDS)
        self.gain = min(released, 1.0 / peak if peak > 1.0 else 1.0)
        length = len(samples) if self.gain >= before else min(len(samples), round(_ATTACK_SECONDS * self._sample_rate))
        gains = np.full(len(samples), self.gain, np.float32)
        gains[:length] = np.linspace(before, self.gain, length, dtype=np.float32)
        if self.gain > _RELEASED:
            self.gain = 1.0
        limited: Float32 = np.clip(samples * gains, np.float32(-1.0), np.float32(1.0))
        return limited
