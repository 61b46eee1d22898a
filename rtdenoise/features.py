"""What a model sees of a spectrum: parts and magnitude of each bin, loud and quiet brought closer together.

Each kernel has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

#: Added to every power: silence has a magnitude, too, and its gradient an end.
POWER_FLOOR = 1e-10


@compiled("void(complex64[::1], float32, float32[:, ::1])")
def compress(frame: Complex64, compression: float, features: Float32) -> None:
    """Give all magnitudes the power of ``compression``; phases stay.

    Args:
        frame: (n_bins,) complex64.
        compression: exponent, above 0 and up to 1.
        features: (3, n) float32, written for the lowest ``n`` bins: real part, imaginary part, magnitude.
    """
    exponent = np.float32(0.5) * (compression - np.float32(1.0))
    for k in range(features.shape[1]):
        re = frame[k].real
        im = frame[k].imag
        power = re * re + im * im + np.float32(POWER_FLOOR)
        scale = power**exponent
        features[0, k] = re * scale
        features[1, k] = im * scale
        features[2, k] = math.sqrt(power) * scale


def compress_numpy(frame: Complex64, compression: float, features: Float32) -> None:
    """The same as ``compress``, written to be read."""
    seen = frame[: features.shape[1]].astype(np.complex128)
    magnitude = np.sqrt(np.abs(seen) ** 2 + POWER_FLOOR)
    features[:] = np.stack([seen.real, seen.imag, magnitude]) * magnitude ** (compression - 1)
