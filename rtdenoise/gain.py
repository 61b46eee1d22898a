"""What happens between the model's mask and the spectrum: the floor on the gain, the bypass, the bins above the model.

Each kernel has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .compiled import helper

Complex64 = NDArray[np.complex64]

#: Hops over which a full change of floor or bypass is spread. The synthesis windows fade from one hop's gain to the
#: next, so a staircase of eight small steps is as smooth as a Hann-shaped fade.
RAMP_HOPS = 8


class Ramp:
    """A number between 0 and 1 that follows its target by at most one ``RAMP_HOPS``-th a hop."""

    def __init__(self, value: float) -> None:
        self.value = value

    def step(self, target: float) -> float:
        """Go one hop towards ``target`` and return the new value."""
        value = self.value
        if value != target:
            largest = 1.0 / RAMP_HOPS
            self.value = value = value + min(max(target - value, -largest), largest)
        return value


def floor_from_limit(attenuation_limit_db: float | None) -> float:
    """The smallest gain that a limit in dB allows: 1 for 0 dB, 0.1 for 20 dB, 0 for ``None`` (no limit)."""
    return 0.0 if attenuation_limit_db is None else float(10.0 ** (-attenuation_limit_db / 20.0))


@helper
def apply_gain(
    spectrum: Complex64, mask: Complex64, floor: float, bypass: float, shared_bins: int, top_band_start: int
) -> None:
    """Multiply ``spectrum`` in place by the mask, lifted to ``floor`` and blended with 1 by ``bypass``.

    Args:
        spectrum: (n_bins,) complex64 of the stream.
        mask: (model_bins,) complex64; its first ``shared_bins`` are used.
        floor: smallest magnitude of the gain, 0..1. Dry signal is added up to it: exact for real positive masks, and
            continuous for all others.
        bypass: 0 = denoised, 1 = dry.
        shared_bins: bins that model and stream have in common.
        top_band_start: first bin of the band whose power-weighted mean gain goes for all bins above ``shared_bins``.
    """
    weighted = plain = power = 0.0
    for k in range(shared_bins):
        gain_re = mask[k].real
        gain_im = mask[k].imag
        gain_re += max(np.float32(0.0), floor - math.sqrt(gain_re * gain_re + gain_im * gain_im))
        gain_re += bypass * (np.float32(1.0) - gain_re)
        gain_im -= bypass * gain_im
        re = spectrum[k].real
        im = spectrum[k].imag
        if k >= top_band_start:
            gain = math.sqrt(gain_re * gain_re + gain_im * gain_im)
            bin_power = re * re + im * im
            weighted += gain * bin_power
            plain += gain
            power += bin_power
        spectrum[k] = complex(re * gain_re - im * gain_im, re * gain_im + im * gain_re)
    if spectrum.shape[0] > shared_bins:
        above = np.float32(weighted / power if power > 0.0 else plain / (shared_bins - top_band_start))
        for k in range(shared_bins, spectrum.shape[0]):
            spectrum[k] = complex(above * spectrum[k].real, above * spectrum[k].imag)


def apply_gain_numpy(
    spectrum: Complex64, mask: Complex64, floor: float, bypass: float, shared_bins: int, top_band_start: int
) -> None:
    """The same as ``apply_gain``, written to be read."""
    before = spectrum[:shared_bins].astype(np.complex128)
    gain = mask[:shared_bins].astype(np.complex128)
    gain += np.maximum(0.0, floor - np.abs(gain))
    gain += bypass * (1.0 - gain)
    spectrum[:shared_bins] *= gain
    if len(spectrum) > shared_bins:
        top_power = np.abs(before[top_band_start:]) ** 2
        top_gain = np.abs(gain[top_band_start:])
        spectrum[shared_bins:] *= np.average(top_gain, weights=top_power) if top_power.any() else np.mean(top_gain)
