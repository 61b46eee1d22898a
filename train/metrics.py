"""Measures of a denoised signal that need nothing but numpy; the others are in ``benchmarks/metrics.py``."""

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


def level_db(samples: NDArray[np.floating]) -> float:
    """Level in dBFS, a full-scale square wave at 0; silence is -200."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


def share_db(estimate: NDArray[np.floating], target: NDArray[np.floating]) -> float:
    """How much of the target is in the estimate, in dB: the scale of SI-SDR, whatever else is there; at least -40."""
    target = np.asarray(target, np.float64)
    scale = float(np.dot(estimate, target) / (np.dot(target, target) + 1e-20))
    return 20 * float(np.log10(max(scale, 0.01)))
