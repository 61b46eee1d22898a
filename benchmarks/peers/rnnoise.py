"""RNNoise (Valin 2018, github.com/xiph/rnnoise) from pyrnnoise, frame by frame at its own 48 kHz."""

from __future__ import annotations

import numpy as np

VARIANTS = {"pyrnnoise": {}}
REQUIREMENTS = ("pyrnnoise==0.4.5",)
SAMPLE_RATE = 48000
BLOCK = 480


class Stream:
    """One RNNoise state; the wrapper takes 16-bit integers."""

    def __init__(self) -> None:
        from pyrnnoise import RNNoise

        self._denoiser = RNNoise(SAMPLE_RATE)
        self._denoiser.channels = 1

    def process(self, samples: np.ndarray) -> np.ndarray:
        """(480,) in, (480,) out."""
        frame = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16)[np.newaxis]
        _, denoised = self._denoiser.denoise_frame(frame)
        return denoised[0] / np.float32(32768)
