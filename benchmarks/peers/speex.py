"""Speex's preprocessor from speexdsp-ns."""

from __future__ import annotations

import numpy as np

VARIANTS = {"speexdsp-ns": {}}
REQUIREMENTS = ("speexdsp-ns==0.1.2",)
SAMPLE_RATE = 16000
BLOCK = 256


class Stream:
    """One preprocessor; it takes bytes of 16-bit integers."""

    def __init__(self) -> None:
        from speexdsp_ns import NoiseSuppression

        self._suppression = NoiseSuppression.create(BLOCK, SAMPLE_RATE)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """(256,) in, (256,) out."""
        data = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16).tobytes()
        return np.frombuffer(self._suppression.process(data), np.int16) / np.float32(32768)
