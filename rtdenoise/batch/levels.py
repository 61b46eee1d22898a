"""How loud a recording is, told block by block in memory that does not grow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..files.audio_file import Reader, Writer
from ..stats import decibels
from ..stft import sanitise

Float32 = NDArray[np.float32]

_FRAMES_PER_SECOND = 50
_LOWEST_DB, _HIGHEST_DB, _STEP_DB = -120.0, 60.0, 0.1
_BINS = round((_HIGHEST_DB - _LOWEST_DB) / _STEP_DB) + 1
#: ITU-T P.56: a sound is active while it is less than this below its active level.
_MARGIN_DB = 15.9


class Loudness:
    """Peak, energy and active level of all channels together.

    Args:
        sample_rate: in Hz.

    Attributes:
        peak: the largest magnitude, linear, full scale at 1.
        energy: sum of the squares of all samples.
        samples: how many were taken in, of all channels.
    """

    def __init__(self, sample_rate: int) -> None:
        self.peak = self.energy = 0.0
        self.samples = 0
        self._frame = max(1, sample_rate // _FRAMES_PER_SECOND)
        self._energies = np.zeros(_BINS)
        self._counts = np.zeros(_BINS)

    def add(self, samples: Float32) -> None:
        """Take in ``(n, channels)`` float32; NaN, Inf and what the engine clamps count as there."""
        if not samples.size:
            return
        heard = np.empty(samples.size, np.float32)
        sanitise(np.ascontiguousarray(samples).reshape(-1), heard)
        self.peak = max(self.peak, float(heard.max()), -float(heard.min()))
        squares = np.square(heard, dtype=np.float64).reshape(samples.shape).sum(axis=1)
        self.energy += float(squares.sum())
        self.samples += samples.size
        starts = np.arange(0, len(squares), self._frame)
        energies = np.add.reduceat(squares, starts)
        counts = np.diff(starts, append=len(squares)) * samples.shape[1]
        levels = 10 * np.log10(np.maximum(energies / counts, 1e-12))
        places = np.clip(np.rint((levels - _LOWEST_DB) / _STEP_DB), 0, _BINS - 1).astype(np.int64)
        np.add.at(self._energies, places, energies)
        np.add.at(self._counts, places, counts)

    @property
    def peak_db(self) -> float:
        """In dB of full scale, -120 at the least."""
        return decibels(self.peak)

    @property
    def level_db(self) -> float:
        """RMS of the whole in dB of full scale, -120 at the least."""
        return decibels(math.sqrt(self.energy / max(1, self.samples)))

    @property
    def active_db(self) -> float:
        """RMS in dB of full scale of those 20 ms that are less than 15.9 dB below it, as in ITU-T P.56."""
        energy, count = (np.cumsum(column[::-1])[::-1] for column in (self._energies, self._counts))
        levels = 10 * np.log10(np.maximum(energy / np.maximum(count, 1), 1e-12))
        thresholds = _LOWEST_DB + _STEP_DB * np.arange(_BINS)
        active = np.flatnonzero((levels - thresholds <= _MARGIN_DB) & (count > 0))
        return float(levels[active[0]]) if len(active) else _LOWEST_DB


class HeardReader:
    """A `Reader` that measures what comes out of another."""

    def __init__(self, reader: Reader) -> None:
        self.name, self.sample_rate, self.channels = reader.name, reader.sample_rate, reader.channels
        self.frames, self.subtype = reader.frames, reader.subtype
        self.loudness, self._reader = Loudness(reader.sample_rate), reader

    def read(self, n: int) -> Float32:
        """See `Reader.read`."""
        block = self._reader.read(n)
        self.loudness.add(block)
        return block

    def check_end(self) -> None:
        """See `Reader.check_end`."""
        self._reader.check_end()

    def close(self) -> None:
        """Close the other reader."""
        self._reader.close()


class HeardWriter:
    """A `Writer` that measures what goes into another."""

    def __init__(self, writer: Writer) -> None:
        self.sample_rate, self.channels = writer.sample_rate, writer.channels
        self.loudness, self._writer = Loudness(writer.sample_rate), writer

    def write(self, samples: Float32) -> None:
        """See `Writer.write`."""
        self.loudness.add(samples)
        self._writer.write(samples)

    def close(self) -> None:
        """Finish the other writer."""
        self._writer.close()

    def abort(self) -> None:
        """Abort the other writer."""
        self._writer.abort()
