"""Log-MMSE (Ephraim and Malah 1985) from logmmse; it has no live mode."""

from __future__ import annotations

import numpy as np

VARIANTS = {"logmmse": {}}
REQUIREMENTS = ("logmmse==1.5",)
SAMPLE_RATE = 16000
BLOCK = None


class Stream:
    """One function."""

    def __init__(self) -> None:
        from logmmse import logmmse

        self._logmmse = logmmse

    def process(self, samples: np.ndarray) -> np.ndarray:
        """A whole file; the package fails on float64."""
        return self._logmmse(np.asarray(samples, np.float32), SAMPLE_RATE)
