"""Measures of a denoised signal that need nothing but numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16000


def si_sdr_db(estimate: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scale-invariant SDR in dB over the last axis (Le Roux et al. 2019, equation 3)."""
    target = target - target.mean(-1, keepdims=True)
    estimate = estimate - estimate.mean(-1, keepdims=True)
    scale = (estimate * target).sum(-1, keepdims=True) / ((target**2).sum(-1, keepdims=True) + 1e-12)
    wanted = scale * target
    error = ((estimate - wanted) ** 2).sum(-1) + 1e-12
    return 10 * np.log10((wanted**2).sum(-1) / error + 1e-12)
