"""A picture of two spectrograms, one above the other, as PNG; numpy and the standard library draw it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_WINDOW, _COLUMNS_PER_SECOND = 512, 100
_TOP_DB, _RANGE_DB = -20.0, 80.0
_MARGIN, _LETTER_SCALE = 12, 2
_PAPER, _INK = 250, 60

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

#: Five columns a letter, lowest bit on top.
_LETTERS = {
    "a": (0x20, 0x54, 0x54, 0x54, 0x78),
    "b": (0x7F, 0x48, 0x44, 0x44, 0x38),
    "e": (0x38, 0x54, 0x54, 0x54, 0x18),
    "f": (0x08, 0x7E, 0x09, 0x01, 0x02),
    "o": (0x38, 0x44, 0x44, 0x44, 0x38),
    "r": (0x7C, 0x08, 0x04, 0x04, 0x08),
    "t": (0x04, 0x3F, 0x44, 0x40, 0x20),
}


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


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of pixels ``(height, width, 3)``: red, green, blue."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", size),
            chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            chunk(b"IEND", b""),
        )
    )


def _write_word(paper: NDArray[np.uint8], word: str, top: int, left: int) -> None:
    for letter in word:
        columns = np.array(_LETTERS[letter])
        dots = (columns[None, :] >> np.arange(8)[:, None]) & 1
        dots = np.kron(dots, np.ones((_LETTER_SCALE, _LETTER_SCALE), int)).astype(bool)
        paper[top : top + dots.shape[0], left : left + dots.shape[1]][dots] = _INK
        left += 6 * _LETTER_SCALE


def draw_before_after(before: Float32, after: Float32, sample_rate: int) -> bytes:
    """PNG of both spectrograms on one scale, ``before`` above ``after``; mono, shape ``(n,)`` each."""
    panels = [colour((level_db(x, sample_rate) - _TOP_DB) / _RANGE_DB + 1) for x in (before, after)]
    height, width = panels[0].shape[0], max(panel.shape[1] for panel in panels)
    head = 8 * _LETTER_SCALE + 6
    paper = np.full((2 * (head + height + 2) + 3 * _MARGIN, width + 2 + 2 * _MARGIN, 3), _PAPER, np.uint8)
    top = _MARGIN
    for word, panel in zip(("before", "after"), panels, strict=True):
        _write_word(paper, word, top, _MARGIN)
        top += head
        paper[top : top + height + 2, _MARGIN : _MARGIN + width + 2] = _INK  # the frame
        paper[top + 1 : top + 1 + height, _MARGIN + 1 : _MARGIN + 1 + panel.shape[1]] = panel
        top += height + 2 + _MARGIN
    return png(paper)
