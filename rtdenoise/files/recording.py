"""Recordings that are whole at any time while they grow, whatever becomes of the program that writes them.

A header says how many samples follow. Others write it at the end; here it is put right each time `keep` is called, so
even after ``kill -9`` or on a full disk a file holds what was kept, and every player knows how long it is.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..errors import AudioFileError, ParameterError
from .audio_file import check_output
from .full_disk import why_not_written
from .pcm import F32LE, encode, quantise
from .wav_header import WavHeader, build_header

Float32 = NDArray[np.float32]

_FLAC_BITS = 24
_LEFT = "what was recorded before is in it"
#: Where a FLAC file says how long its blocks are, and how many samples it has: 36 bits, 4 of them in the first byte.
_FLAC_BLOCK_PLACE, _FLAC_LENGTH_PLACE = 8, 21


class Recording(Protocol):
    """A mono sound file that grows.

    Attributes:
        path: its name.
    """

    path: Path

    def write(self, samples: Float32) -> None:
        """Append ``(n,)`` float32 samples, full scale at 1. Raises AudioFileError when the disk takes no more."""
        ...

    def keep(self) -> None:
        """Make the header say what is there. Raises AudioFileError when that fails."""
        ...

    def close(self) -> None:
        """Finish; a file without samples goes. Raises AudioFileError when that fails; what was kept stays.

        May be called again, and then does nothing.
        """
        ...


def open_recording(path: Path, sample_rate: int, *, force: bool = False) -> Recording:
    """Begin a file: ``.wav`` holds 32-bit floats, the very samples; ``.flac`` 24-bit integers, half the size.

    Args:
        path: its name; there from now on.
        sample_rate: in Hz.
        force: replace an existing file.

    Raises:
        ParameterError, AudioFileError: see `check_recording`; or the file cannot be made.
    """
    check_recording(path, force=force)
    try:
        path.open("wb" if force else "xb").close()
    except OSError as error:
        raise AudioFileError(
            f"{path} cannot be written: {error.strerror}; choose a folder that you may write to"
        ) from None
    return (_Wav if path.suffix.lower() == ".wav" else _Flac)(path, sample_rate)


def check_recording(path: Path, *, force: bool) -> None:
    """Raise ParameterError or AudioFileError for a name that no recording can have, before anything slow has begun."""
    if path.suffix.lower() not in (".wav", ".flac"):
        raise ParameterError(f"{path} cannot be recorded to: the suffix sets the format, .wav or .flac")
    check_output(path, force=force)


def free_name(path: Path) -> Path:
    """The name itself, or the first of name-2, name-3 and so on that no file has."""
    number, name = 1, path
    while name.exists() or name.is_symlink():
        number += 1
        name = path.with_stem(f"{path.stem}-{number}")
    return name


class _Wav:
    def __init__(self, path: Path, sample_rate: int) -> None:
        self.path = path
        self._sample_rate, self._frames = sample_rate, 0
        self._file = io.FileIO(path, "r+")
        self.keep()

    def write(self, samples: Float32) -> None:
        rest = memoryview(encode(samples, F32LE))
        with why_not_written(self.path, _LEFT):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._frames += len(samples)

    def keep(self) -> None:
        with why_not_written(self.path, _LEFT):
            self.path.stat()  # where it was removed, the system would let us go on writing it for ever
            self._file.seek(0)
            self._file.write(build_header(WavHeader(F32LE, self._sample_rate, 1, self._frames)))
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            self.keep()
        finally:
            self._file.close()
            if not self._frames:
                self.path.unlink(missing_ok=True)


class _Flac:
    def __init__(self, path: Path, sample_rate: int) -> None:
        self.path = path
        self._frames = self._kept = 0
        try:
            self._file = soundfile.SoundFile(path, "w", sample_rate, 1, format="FLAC", subtype=f"PCM_{_FLAC_BITS}")
        except soundfile.SoundFileError:
            path.unlink()
            raise AudioFileError(f"{path}: FLAC cannot hold {sample_rate} Hz; record to .wav") from None

    def write(self, samples: Float32) -> None:
        with why_not_written(self.path, _LEFT):
            self._file.write(quantise(samples, _FLAC_BITS) << (32 - _FLAC_BITS))
        self._frames += len(samples)

    def keep(self) -> None:
        """See `Recording.keep`. The encoder holds back one sample, and what does not fill a block."""
        if not self._frames:
            return
        with why_not_written(self.path, _LEFT), open(self.path, "r+b", buffering=0) as file:
            file.seek(_FLAC_BLOCK_PLACE)
            (block,) = struct.unpack(">H", file.read(2))
            self._kept = (self._frames - 1) // block * block
            file.seek(_FLAC_LENGTH_PLACE)
            (shared,) = file.read(1)  # with the number of bits
            file.seek(_FLAC_LENGTH_PLACE)
            file.write(struct.pack(">BI", shared & 0xF0 | self._kept >> 32, self._kept & 0xFFFFFFFF))

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            with why_not_written(self.path, _LEFT):
                self._file.close()
                if self._frames and soundfile.info(self.path).frames != self._frames:
                    raise OSError("samples are missing at its end")
            self._kept = self._frames
        except AudioFileError:
            self.keep()  # what the library wrote there counts samples that it could not bring along
            raise
        finally:
            if not self._kept:
                self.path.unlink(missing_ok=True)
