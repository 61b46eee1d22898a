"""Two spectrograms, what lies between them, levels and the gain over time, below each other on one axis of time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .canvas import INK, LETTER_HEIGHT, LETTER_WIDTH, PALE, Canvas, Colour, Pixels
from .spectrogram import colour

Float64 = NDArray[np.float64]

_WINDOW_SECONDS = 0.032
_WIDTH, _SPECTROGRAM_HEIGHT, _CURVE_HEIGHT = 1100, 200, 120
_LEFT, _RIGHT, _TOP, _GAP = 90, 130, 44, 40
_SCALE_WIDTH = 18  # of the colours beside a panel
_RANGE_DB, _GAIN_RANGE_DB, _QUIET_DB = 80.0, 40.0, -110.0
_BEFORE: Colour = (200, 110, 20)
_AFTER: Colour = (20, 110, 170)

#: From as much taken away as the scale has, over nothing, to as much added: blue, white, red.
_GAIN_COLOURS = np.array([[8, 29, 88], [34, 94, 168], [65, 182, 196], [255, 255, 255], [239, 101, 72], [127, 0, 0]])
_GAIN_PLACES = np.array([-1.0, -0.6, -0.25, 0.0, 0.5, 1.0])


class Picture:
    """Collects a pair of signals, however long, into as many columns as the picture has.

    Args:
        sample_rate: in Hz.
        length: samples that will come.
    """

    def __init__(self, sample_rate: int, length: int) -> None:
        self._rate, self._length = sample_rate, length
        self._window_length = 1 << round(math.log2(_WINDOW_SECONDS * sample_rate))
        self._hop = max(1, min(self._window_length // 2, length // _WIDTH))
        window = np.hanning(self._window_length + 1)[:-1]
        self._window = window * (2 / window.sum())
        bins = self._window_length // 2 + 1
        self._edges = np.arange(_SPECTROGRAM_HEIGHT) * bins // _SPECTROGRAM_HEIGHT
        self._spectra = np.zeros((2, _WIDTH, _SPECTROGRAM_HEIGHT))  # power, summed
        self._powers = np.zeros((2, _WIDTH))
        self._counts = np.zeros(_WIDTH)
        self._rest = np.zeros((2, self._window_length // 2))  # a frame's middle is its time
        self._frames = 0

    def add(self, both: Float64) -> None:
        """Take in the next samples, ``(2, n)``: before and after."""
        self._rest = np.concatenate([self._rest, both], axis=1)
        count = max(0, (self._rest.shape[1] - self._window_length) // self._hop + 1)
        if not count:
            return
        frames = np.lib.stride_tricks.sliding_window_view(self._rest, self._window_length, axis=1)[:, :: self._hop]
        spectra = np.abs(np.fft.rfft(frames * self._window, axis=2)) ** 2
        widths = np.maximum(1, np.diff([*self._edges, spectra.shape[2]]))
        rows = np.add.reduceat(spectra, self._edges, axis=2) / widths
        powers = (frames**2).mean(axis=2)
        columns = np.minimum((self._frames + np.arange(count)) * self._hop * _WIDTH // self._length, _WIDTH - 1)
        for i in (0, 1):
            np.add.at(self._spectra[i], columns, rows[i])
            np.add.at(self._powers[i], columns, powers[i])
        np.add.at(self._counts, columns, 1)
        self._frames += count
        self._rest = self._rest[:, count * self._hop :]

    def png(self, title: str) -> bytes:
        """The picture, under a title of one line."""
        self.add(np.zeros((2, self._window_length)))
        counts = np.maximum(self._counts, 1)
        before, after = 10 * np.log10(np.maximum(self._spectra / counts[:, None], 1e-13)).transpose(0, 2, 1)[:, ::-1]
        levels = 10 * np.log10(np.maximum(self._powers / counts, 1e-12))
        top_db = 10 * math.ceil(max(float(np.percentile(before, 99.9)), -90.0) / 10)
        gains = np.where(np.maximum(before, after) > top_db - _RANGE_DB, after - before, 0.0)  # of what can be seen
        heights = 3 * (_SPECTROGRAM_HEIGHT + _GAP) + 2 * (_CURVE_HEIGHT + _GAP)
        canvas = Canvas(_LEFT + _WIDTH + _RIGHT, _TOP + heights + LETTER_HEIGHT)
        canvas.write(_shorten(title, _LEFT + _WIDTH), _LEFT, 8)
        top = _TOP + LETTER_HEIGHT
        for name, picture, scale, ends in (
            ("before", self._shade(before, top_db), _shades(colour), (top_db - _RANGE_DB, top_db)),
            ("after", self._shade(after, top_db), _shades(colour), (top_db - _RANGE_DB, top_db)),
            (
                "gain: blue was taken away",
                _gain_colour(gains / _GAIN_RANGE_DB),
                _shades(lambda level: _gain_colour(2 * level - 1)),
                (-_GAIN_RANGE_DB, _GAIN_RANGE_DB),
            ),
        ):
            self._head(canvas, name, top)
            canvas.paste(picture, _LEFT, top)
            self._axes(canvas, top, _SPECTROGRAM_HEIGHT, (0.0, self._rate / 2e3), "kHz")
            _colour_scale(canvas, scale, top, ends)
            top += _SPECTROGRAM_HEIGHT + _GAP
        floor = max(-120.0, 20 * math.floor(float(np.percentile(levels, 2)) / 20))
        ceiling = max(floor + 20, min(0.0, 20 * math.ceil(float(levels.max()) / 20)))
        self._head(canvas, "level in dBFS, before", top, _BEFORE, ("after", _AFTER))
        self._axes(canvas, top, _CURVE_HEIGHT, (floor, ceiling), "dB")
        for level, ink in zip(levels, (_BEFORE, _AFTER), strict=True):
            canvas.draw((ceiling - level) / (ceiling - floor), _LEFT, top, _CURVE_HEIGHT, ink)
        top += _CURVE_HEIGHT + _GAP
        gain = np.where(levels.max(axis=0) > _QUIET_DB, levels[1] - levels[0], 0.0)
        lowest = 10 * math.floor(min(float(np.percentile(gain, 1)), -10.0) / 10)
        highest = max(10 * math.ceil(float(np.percentile(gain, 99)) / 10), 0)
        self._head(canvas, "gain over time, after less before", top)
        self._axes(canvas, top, _CURVE_HEIGHT, (float(lowest), float(highest)), "dB", last=True)
        canvas.draw((highest - gain) / (highest - lowest), _LEFT, top, _CURVE_HEIGHT, INK)
        return canvas.png()

    def _shade(self, level: Float64, top_db: float) -> Pixels:
        return colour((level - top_db) / _RANGE_DB + 1)

    def _head(
        self, canvas: Canvas, text: str, top: int, ink: Colour = INK, more: tuple[str, Colour] | None = None
    ) -> None:
        canvas.write(text, _LEFT, top - LETTER_HEIGHT - 4, ink=ink)
        if more is not None:
            canvas.write(more[0], _LEFT + (len(text) + 2) * LETTER_WIDTH, top - LETTER_HEIGHT - 4, ink=more[1])

    def _axes(
        self, canvas: Canvas, top: int, height: int, ends: tuple[float, float], unit: str, *, last: bool = False
    ) -> None:
        """Numbers to the left and, with lines across empty panels, below."""
        empty = height == _CURVE_HEIGHT
        if empty:
            canvas.paste(np.full((height, _WIDTH, 3), 255, np.uint8), _LEFT, top)
        low, high = ends
        for value in _ticks(low, high, 5):
            row = top + round((high - value) / (high - low) * (height - 1))
            canvas.fill(_LEFT - 6, row, 5, 1)
            if empty:
                canvas.fill(_LEFT, row, _WIDTH, 1, PALE)
            label = f"{value:g}" + (f" {unit}" if value == _ticks(low, high, 5)[-1] else "")
            canvas.write(label, _LEFT - 10, row - LETTER_HEIGHT // 2 + 1, shift=1.0)
        seconds = self._length / self._rate
        for value in _ticks(0.0, seconds, 10):
            column = _LEFT + round(value / seconds * (_WIDTH - 1))
            canvas.fill(column, top + height + 1, 1, 5)
            if empty:
                canvas.fill(column, top, 1, height, PALE)
            if last:
                canvas.write(f"{value:g}", column, top + height + 9, shift=0.5)
        if last:
            canvas.write("s", _LEFT + _WIDTH + 30, top + height + 9)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from one end to the other, ``most`` steps at most."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(i * step, 9) for i in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)]


def _gain_colour(gain: Float64) -> Pixels:
    """From -1, all that the scale has, over 0 to 1."""
    channels = [np.interp(gain, _GAIN_PLACES, _GAIN_COLOURS[:, i]) for i in range(3)]
    pixels: Pixels = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return pixels


def _shades(colours: Callable[[Float64], Pixels]) -> Pixels:
    levels = np.linspace(1.0, 0.0, _SPECTROGRAM_HEIGHT)[:, None].repeat(_SCALE_WIDTH, axis=1)
    return colours(levels)


def _colour_scale(canvas: Canvas, scale: Pixels, top: int, ends: tuple[float, float]) -> None:
    left = _LEFT + _WIDTH + 20
    canvas.paste(scale, left, top)
    low, high = ends
    for value in _ticks(low, high, 4):
        row = top + round((high - value) / (high - low) * (_SPECTROGRAM_HEIGHT - 1))
        canvas.fill(left + _SCALE_WIDTH + 1, row, 5, 1)
        label = f"{value:g}" + (" dB" if value == high else "")
        canvas.write(
            label, left + _SCALE_WIDTH + 10, min(max(row - LETTER_HEIGHT // 2 + 1, top), top + _SPECTROGRAM_HEIGHT - 14)
        )


def _shorten(text: str, width: int) -> str:
    most = width // LETTER_WIDTH
    return text if len(text) <= most else text[: most - 3] + "..."
