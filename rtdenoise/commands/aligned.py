"""Two recordings of one sound, read side by side: mono, at one rate, the later one moved to lie on the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioFileError
from ..files.audio_file import FileReader

Float32 = NDArray[np.float32]

_LISTENED_SECONDS = 30.0  # of the beginning, to find the delay
_LONGEST_DELAY_SECONDS = 2.0
_LEAST_LIKENESS = 0.1  # of a correlation at its best place
_SHORTEST_SECONDS = 0.2


class Pair:
    """Two sound files of any rates, lengths and channels.

    Args:
        before, after: the files.

    Raises:
        AudioFileError: one cannot be read, or they have too little in common to be compared.

    Attributes:
        sample_rate: in Hz, the lower one of the two.
        delay: samples by which ``after`` is late, negative where it is early; ``None`` where the two are not alike.
        length: samples that lie over each other.
        remarks: lines for people about what was done to make them comparable.
    """

    def __init__(self, before: str | Path, after: str | Path) -> None:
        self._paths = before, after
        readers = [FileReader(path) for path in self._paths]
        for reader in readers:
            reader.close()
        self.sample_rate = min(reader.sample_rate for reader in readers)
        lengths = [round((reader.frames or 0) * self.sample_rate / reader.sample_rate) for reader in readers]
        self.delay = self._find_delay()
        self._skipped = max(0, -(self.delay or 0)), max(0, self.delay or 0)
        rests = [length - skipped for length, skipped in zip(lengths, self._skipped, strict=True)]
        self.length = min(rests)
        if self.length < _SHORTEST_SECONDS * self.sample_rate:
            raise AudioFileError(
                f"{before} and {after} have {max(0, self.length) / self.sample_rate:.2f} s in common; "
                f"{_SHORTEST_SECONDS:g} s or more can be compared"
            )
        self.remarks = [
            f"{reader.name}: {what}"
            for reader in readers
            for what, is_so in (
                (f"{reader.sample_rate} Hz, compared at {self.sample_rate} Hz", reader.sample_rate != self.sample_rate),
                (f"{reader.channels} channels, downmixed", reader.channels > 1),
            )
            if is_so
        ]
        if self.delay is None:
            self.remarks.append(
                "no delay was found: they do not seem to be the same sound, and are compared as they lie"
            )
        longer = (max(rests) - self.length) / self.sample_rate
        if longer > _SHORTEST_SECONDS:
            name = self._paths[rests.index(max(rests))]
            self.remarks.append(f"{name} goes on for {longer:.1f} s longer, which are left out")

    def blocks(self, length: int) -> Iterator[tuple[Float32, Float32]]:
        """Both, ``(length,)`` float32 at a time, the last one shorter.

        Raises:
            AudioFileError: a file is damaged.
        """
        streams = [
            _Stream(path, self.sample_rate, skipped) for path, skipped in zip(self._paths, self._skipped, strict=True)
        ]
        left = self.length
        while left:
            count = min(length, left)
            yield streams[0].take(count), streams[1].take(count)
            left -= count
        for stream in streams:
            stream.close()

    def _find_delay(self) -> int | None:
        """By cross-correlation of the beginnings, as far as silence, or another sound, leaves something to see."""
        listened = round(_LISTENED_SECONDS * self.sample_rate)
        signals = []
        for path in self._paths:
            stream = _Stream(path, self.sample_rate, 0)
            signals.append(stream.take(listened).astype(np.float64))
            stream.close()
        energy = float(np.sqrt(np.prod([np.dot(signal, signal) for signal in signals])))
        if not 0.0 < energy < np.inf:
            return None
        size = 1 << (2 * listened).bit_length()
        before, after = (np.fft.rfft(signal, size) for signal in signals)
        likeness = np.fft.irfft(after * np.conj(before), size) / energy
        longest = min(round(_LONGEST_DELAY_SECONDS * self.sample_rate), size // 2)
        likeness = np.concatenate([likeness[-longest:], likeness[: longest + 1]])
        best = int(np.argmax(likeness))
        return best - longest if likeness[best] >= _LEAST_LIKENESS else None


class _Stream:
    """A file as mono samples at a rate, from a sample on, with silence after its end."""

    def __init__(self, path: str | Path, sample_rate: int, skipped: int) -> None:
        self._reader = FileReader(path)
        self._rest: Float32 = np.zeros(0, np.float32)
        self._ended = False
        self._converter: Any = None
        if self._reader.sample_rate != sample_rate:
            import soxr

            self._converter = soxr.ResampleStream(self._reader.sample_rate, sample_rate, 1)
        self.take(skipped)

    def take(self, count: int) -> Float32:
        """The next samples, ``(count,)``. Raises AudioFileError where the file is damaged."""
        pieces = [self._rest]
        have = len(self._rest)
        while have < count and not self._ended:
            block = self._reader.read(self._reader.sample_rate)
            self._ended = not len(block)
            mono = np.nan_to_num(block.mean(axis=1), posinf=0.0, neginf=0.0)
            if self._converter is not None:
                mono = self._converter.resample_chunk(mono, last=self._ended)
            pieces.append(mono)
            have += len(mono)
        samples = np.concatenate([*pieces, np.zeros(max(0, count - have), np.float32)])
        self._rest = samples[count:]
        taken: Float32 = samples[:count]
        return taken

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
