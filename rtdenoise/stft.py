"""The pair of windows, and the transform of one hop forth and back.

A long analysis window resolves frequency; a short synthesis window over its newest samples sets the delay. Their
product over the last two hops is a Hann window, which overlap-adds to one (Mauler and Martin, "A low delay, variable
resolution, perfect reconstruction spectral analysis-synthesis system for speech enhancement", EUSIPCO 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .config import TransformConfig

Float32 = NDArray[np.float32]


def design_windows(transform: TransformConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Analysis and synthesis window of a transform.

    Returns:
        ``(analysis, synthesis)``: float64 of shape ``(window_length,)``, rising over all but the last hop and falling
        over the last one; and float64 of shape ``(synthesis_length,)``, to be applied to the newest samples.
    """
    hop, synthesis_length = transform.hop_length, transform.synthesis_length
    rise = transform.window_length - hop
    # Half a sample off the edges: no window value is exactly zero, so the division below is safe.
    rising = np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / rise)
    falling = np.cos(0.5 * np.pi * (np.arange(hop) + 0.5) / hop)
    analysis = np.concatenate([rising, falling])
    hann = np.sin(np.pi * (np.arange(synthesis_length) + 0.5) / synthesis_length) ** 2
    synthesis = hann / analysis[-synthesis_length:]
    return analysis, synthesis
