"""Spectral gating (Sainburg) from noisereduce with its defaults; it has no live mode."""

from __future__ import annotations

import numpy as np

VARIANTS = {"noisereduce": {}}
REQUIREMENTS = ("noisereduce==3.0.3",)
SAMPLE_RATE = 16000
BLOCK = None


class Stream:
    """One function."""

    def __init__(self) -> None:
        from noisereduce import reduce_noise

        self._reduce_noise = reduce_noise

    def process(self, samples: np.ndarray) -> np.ndarray:
        """A whole file."""
        return self._reduce_noise(y=samples, sr=SAMPLE_RATE)
