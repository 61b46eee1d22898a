"""Silence without a click: a short fade on what leaves the worker, be it the engine's or its understudy's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_FADE_SECONDS = 0.02


class Mute:
    """Multiplies a stream by 1, by 0, or by what leads from one to the other; by 1 it changes no bit.

    Args:
        sample_rate: in Hz.
        muted: whether it begins in silence.

    Attributes:
        muted: may be set from any thread.
    """

    def __init__(self, sample_rate: int, muted: bool = False) -> None:
        count = math.ceil(_FADE_SECONDS * sample_rate)
        fade = 0.5 + 0.5 * np.cos(np.pi * np.arange(count + 1) / count)
        self._fade: Float32 = fade.astype(np.float32)  # from 1 to 0
        self.muted = muted
        self._place = count if muted else 0  # of the last sample in the fade

    def apply(self, samples: Float32) -> Float32:
        """The samples that follow, shape ``(n,)`` float32."""
        end = len(self._fade) - 1
        aim = end if self.muted else 0
        if self._place == aim:
            return np.zeros_like(samples) if aim else samples
        way = 1 if aim else -1
        places = np.clip(self._place + way * np.arange(1, len(samples) + 1), 0, end)
        self._place = int(places[-1]) if len(places) else self._place
        faded: Float32 = samples * self._fade[places]
        return faded
