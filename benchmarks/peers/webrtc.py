"""WebRTC's noise suppression from webrtc-noise-gain, without gain control."""

from __future__ import annotations

import numpy as np

VARIANTS = {"webrtc-noise-gain level 2": {"level": 2}, "webrtc-noise-gain level 4": {"level": 4}}
REQUIREMENTS = ("webrtc-noise-gain==1.3.0",)
SAMPLE_RATE = 16000
BLOCK = 160


class Stream:
    """One audio processor; it takes bytes of 16-bit integers."""

    def __init__(self, level: int) -> None:
        from webrtc_noise_gain import AudioProcessor

        self._processor = AudioProcessor(0, level)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """(160,) in, (160,) out."""
        data = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16).tobytes()
        return np.frombuffer(self._processor.Process10ms(data).audio, np.int16) / np.float32(32768)
