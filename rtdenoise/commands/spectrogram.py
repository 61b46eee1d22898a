"""A picture of two spectrograms, one above the other, as PNG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .canvas import LETTER_HEIGHT, Canvas

Float32 = NDArray[np.float32]

_WINDOW, _COLUMNS_PER_SECOND = 512, 100
_TOP_DB, _RANGE_DB = -20.0, 80.0
_MARGIN = 12

#: Fit of the colour map "inferno" (Smith and van der Walt), dark to bright, even steps of lightness: powers 0 to 6 of
#: the level for red, green, blue.
_COLOURS = np.array(
    [
        [0.0002, 0.0017, -0.0195],
        [0.1065, 0.5640, 3.9327],
        [11.6025, -3.9729, -15.9424],
        [-41.7040, 17.4364, 44.3541],
        [77.1629, -33.4024, -81.8073],
        [-71.3194, 32.6261, 73.2095],
        [25.1311, -12.2427, -23.0703],
    ]
)


def level_db(samples: Float32, sample_rate: int) -> NDArray[np.float64]:
    """Spectrogram in dB of full scale, ``(bins, columns)``, the highest frequency first, 100 columns a second."""
    hop = max(1, sample_rate // _COLUMNS_PER_SECOND)
    padded = np.pad(samples.astype(np.float64), (_WINDOW // 2, _WINDOW))
    starts = range(0, max(1, len(samples)), hop)
    window = np.hanning(_WINDOW)
    frames = np.stack([padded[start : start + _WINDOW] for start in starts]) * (2 / window.sum())
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1))
    return np.asarray(20 * np.log10(np.maximum(magnitude, 1e-9)).T[::-1])


def colour(level: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Levels 0..1 of any shape to red, green, blue of 0..255 in a further axis."""
    level = np.clip(level, 0, 1)[..., None]
    value = np.zeros((*level.shape[:-1], 3))
    for coefficients in _COLOURS[::-1]:  # Horner
        value = value * level + coefficients
    pixels: NDArray[np.uint8] = np.rint(255 * np.clip(value, 0, 1)).astype(np.uint8)
    return pixels


def draw_before_after(before: Float32, after: Float32, sample_rate: int) -> bytes:
    """PNG of both spectrograms on one scale, ``before`` above ``after``; mono, shape ``(n,)`` each."""
    panels = [colour((level_db(x, sample_rate) - _TOP_DB) / _RANGE_DB + 1) for x in (before, after)]
    height, width = panels[0].shape[0], max(panel.shape[1] for panel in panels)
    head = LETTER_HEIGHT + 6
    canvas = Canvas(width + 2 + 2 * _MARGIN, 2 * (head + height + 2) + 3 * _MARGIN)
    top = _MARGIN
    for word, panel in zip(("before", "after"), panels, strict=True):
        canvas.write(word, _MARGIN, top)
        top += head
        canvas.fill(_MARGIN, top, width + 2, height + 2)
        canvas.paste(panel, _MARGIN + 1, top + 1)
        top += height + 2 + _MARGIN
    return canvas.png()
