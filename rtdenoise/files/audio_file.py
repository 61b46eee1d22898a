"""Sound files in and out, and what every source and sink of samples has to offer.

The output is written beside its final name and renamed at the very end, so a crash, a full disk or Ctrl+C never
leaves half a file where somebody expects a whole one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..config import HIGHEST_RATE, LOWEST_RATE
from ..errors import AudioFileError, ParameterError
from .full_disk import why_not_written
from .pcm import quantise
from .repeatable import make_repeatable
from .suffixes import FORMAT_BY_SUFFIX, LEGAL_SUFFIXES
from .wav_header import LEAST_INVENTED_LENGTH, SLOPPY_SECONDS

Float32 = NDArray[np.float32]

_PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_PCM_BITS |= {"ALAC_16": 16, "ALAC_24": 24, "ALAC_32": 32}

#: Where the format of the output cannot hold what the source had: the first of these that it can.
_NEXT_BEST = {
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_24": ("PCM_32", "ALAC_24"),
    "ALAC_24": ("PCM_24",),
    "PCM_32": ("ALAC_32", "PCM_24"),
    "ALAC_32": ("PCM_32", "PCM_24"),
    "FLOAT": ("PCM_24",),
    "DOUBLE": ("FLOAT", "PCM_24"),
}

_NONE_LEFT = "no file was left"
_CONVERT_FIRST = "convert what is left of it with another program first"
#: What libsndfile writes down of the samples in WAV, AIFF and AU files: bytes by the header, and by the file's length.
_CUT_OFF = re.compile(r"(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)")
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM: the operating system refused

#: Subtypes that are carried over; the rest, ADPCM and MP3 and such, become what is usual for the new format.
_KEPT = {*_PCM_BITS, "FLOAT", "DOUBLE", "ULAW", "ALAW", "OPUS"}


class Reader(Protocol):
    """A source of samples.

    Attributes:
        name: for people.
        sample_rate: in Hz.
        channels: how many.
        frames: samples of each channel that will come, or None where nobody knows.
        subtype: libsndfile's name for how they are stored, such as ``PCM_16``.
    """

    name: str
    sample_rate: int
    channels: int
    frames: int | None
    subtype: str

    def read(self, n: int) -> Float32:
        """Up to ``n`` samples of each channel, float32 of shape ``(k, channels)``; ``k == 0`` only at the end."""
        ...

    def check_end(self) -> None:
        """Called after the end: raises AudioFileError when the source broke off in the middle of a sample."""
        ...

    def close(self) -> None:
        """Release what is held; may be called twice."""
        ...


class Writer(Protocol):
    """A sink of samples."""

    sample_rate: int
    channels: int

    def write(self, samples: Float32) -> None:
        """Take ``(n, channels)`` float32 samples."""
        ...

    def close(self) -> None:
        """Finish: only now does a file appear under its name."""
        ...

    def abort(self) -> None:
        """Give up and leave nothing behind; does nothing after `close`."""
        ...


def check_rate(name: str, sample_rate: int) -> None:
    """Raise AudioFileError unless a source's rate in Hz is one that can be denoised."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise AudioFileError(
            f"{name} says it has {sample_rate} Hz; rates from {LOWEST_RATE} to {HIGHEST_RATE} Hz can be denoised"
        )


class FileReader:
    """Reads any sound file that libsndfile knows.

    Args:
        path: where it is.
        name: what people call it, for messages; the path by default.

    Raises:
        AudioFileError: the file is missing, unreadable, empty, not audio, cut off, or of an impossible rate.
    """

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path, self.name = Path(path), name or str(path)
        try:
            with open(self.path, "rb") as raw:
                is_empty = not raw.read(1)
        except OSError as error:
            raise AudioFileError(
                f"{self.name} cannot be read: {error.strerror}; check the path given as input"
            ) from None
        if is_empty:
            raise AudioFileError(f"{self.name} is empty (0 bytes); nothing can be denoised in it")
        try:
            self._file = soundfile.SoundFile(self.path)
        except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a suffix that means headerless data
            reason = getattr(error, "error_string", str(error)).rstrip(".")
            raise AudioFileError(
                f"{self.name} is no audio file that can be read ({reason}); try {LEGAL_SUFFIXES}"
            ) from None
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int | None = self._file.frames
        self.subtype: str = self._file.subtype
        self._position = 0
        try:
            check_rate(self.name, self.sample_rate)
            if self.frames == 0:
                raise AudioFileError(f"{self.name} has a header but no samples in it; nothing can be denoised")
            self._check_whole()
        except AudioFileError:
            self.close()
            raise

    def read(self, n: int) -> Float32:
        """See `Reader.read`. Raises AudioFileError where the file is damaged."""
        try:
            block: Float32 = self._file.read(n, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioFileError(
                f"{self.name} is damaged {self._position / self.sample_rate:.1f} s after its start "
                f"({error}); {_CONVERT_FIRST}"
            ) from None
        self._position += len(block)
        return block

    def _check_whole(self) -> None:
        """Raise AudioFileError where the header says that there is more; libsndfile keeps that to its log."""
        lengths = _CUT_OFF.search(self._file.extra_info)
        said, there = map(int, lengths.groups()) if lengths else (0, 0)
        seconds = self._file.frames / self.sample_rate
        missing = seconds * (said / there - 1) if there else 0.0
        if missing > SLOPPY_SECONDS and said < LEAST_INVENTED_LENGTH:
            raise AudioFileError(
                f"{self.name} is cut off: its header says {seconds + missing:.1f} s, and {seconds:.1f} s are there; "
                f"{_CONVERT_FIRST}"
            )

    def check_end(self) -> None:
        """A file has no broken end: libsndfile has cut it to whole samples."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FileWriter:
    """Writes a sound file whose format follows from the suffix, under a temporary name until `close`.

    Args:
        path: the final name; a symbolic link is followed, and stays one.
        sample_rate: in Hz.
        channels: how many.
        like: the subtype of the source (``PCM_24``, ``FLOAT``, ...), kept where the format can hold it.
        force: replace an existing file.

    Raises:
        ParameterError: no or an unknown suffix.
        AudioFileError: the file exists, or cannot be written, or its format cannot hold this rate or channel count.
    """

    def __init__(
        self, path: str | Path, sample_rate: int, channels: int, *, like: str | None = None, force: bool = False
    ) -> None:
        self.path, self.sample_rate, self.channels, self._force = Path(path), sample_rate, channels, force
        check_output(self.path, force=force)
        audio_format, default_subtype = FORMAT_BY_SUFFIX[self.path.suffix.lower()]
        self._format, self.subtype = audio_format, best_subtype(audio_format, like, default_subtype)
        self._target = Path(os.path.realpath(self.path))
        self._temporary = self._target.with_name(f".{self._target.stem}.{secrets.token_hex(4)}.part")
        try:
            os.close(os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            if self._target.exists():
                shutil.copymode(self._target, self._temporary)
        except OSError as error:
            raise AudioFileError(
                f"{path} cannot be written: {error.strerror}; choose a folder that you may write to"
            ) from None
        try:
            self._file = soundfile.SoundFile(
                self._temporary, "w", sample_rate, channels, format=audio_format, subtype=self.subtype
            )
        except soundfile.SoundFileError as error:
            self._temporary.unlink()
            if getattr(error, "code", None) == _SYSTEM_ERROR:
                with why_not_written(self.path, _NONE_LEFT):
                    raise
            raise AudioFileError(
                f"{path}: {audio_format} with {self.subtype} cannot hold {channels} channels at {sample_rate} Hz; "
                "take .wav or .flac"
            ) from None
        self._open = True

    def write(self, samples: Float32) -> None:
        """See `Writer.write`. Raises AudioFileError when the disk is full."""
        bits = _PCM_BITS.get(self.subtype)
        with why_not_written(self.path, _NONE_LEFT):
            self._file.write(samples if bits is None else quantise(samples, bits) << (32 - bits))

    def close(self) -> None:
        """Finish the file and give it its name. Raises AudioFileError when that fails; then nothing is left."""
        if not self._open:
            return
        try:
            with why_not_written(self.path, _NONE_LEFT):
                frames = self._file.frames
                self._file.close()
                if soundfile.info(self._temporary).frames != frames:
                    raise OSError("samples are missing at its end")
                make_repeatable(self._temporary, self._format)
                with open(self._temporary, "rb+") as finished:
                    os.fsync(finished.fileno())
                check_output(self.path, force=self._force)
                os.replace(self._temporary, self._target)
            self._open = False
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Writer.abort`."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(soundfile.SoundFileError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


class Limited:
    """The beginning of another reader, at most so many seconds of it."""

    def __init__(self, reader: Reader, seconds: float) -> None:
        self.sample_rate, self.channels, self.subtype = reader.sample_rate, reader.channels, reader.subtype
        self.name, self._reader = reader.name, reader
        self._left = max(1, round(seconds * reader.sample_rate))
        self.frames = None if reader.frames is None else min(reader.frames, self._left)

    def read(self, n: int) -> Float32:
        """See `Reader.read`."""
        if not self._left:
            return np.zeros((0, self.channels), np.float32)
        block = self._reader.read(min(n, self._left))
        self._left -= len(block)
        return block

    def check_end(self) -> None:
        """See `Reader.check_end`; what comes after the limit is nobody's business."""
        if self._left:
            self._reader.check_end()

    def close(self) -> None:
        """Close the other reader."""
        self._reader.close()


class Discard:
    """The `Writer` behind ``--output none``."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels

    def write(self, samples: Float32) -> None:
        """Forget the samples."""

    def close(self) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """Nothing is held."""


def check_output(path: Path, *, force: bool) -> None:
    """Raise what `FileWriter` would raise for a bad name, before anything slow has begun."""
    if path.suffix.lower() not in FORMAT_BY_SUFFIX:
        said = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise ParameterError(f"{path} has {said}, and the suffix sets the format: {LEGAL_SUFFIXES}")
    if not path.parent.is_dir():
        raise AudioFileError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
    if path.exists() and not path.is_file():
        raise AudioFileError(f"{path} is not a regular file; write to a file, or to - and redirect that")
    if path.exists() and not force:
        raise AudioFileError(f"{path} exists and was left as it is; --force replaces it")


def check_different(source: str | Path, target: str | Path) -> None:
    """Raise ParameterError when both names, through whatever links, are one file."""
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise ParameterError(f"input and output are the same file, {target}; give the output another name")


def best_subtype(audio_format: str, like: str | None, default: str | None) -> str:
    """The libsndfile subtype for an output: that of the source where it fits, else the nearest, else the usual one."""
    if default is not None:  # the suffix asks for a codec, as .opus does
        return default
    wanted = (like, *_NEXT_BEST.get(like, ())) if like in _KEPT else ()
    usual: str = soundfile.default_subtype(audio_format)
    return next((subtype for subtype in wanted if soundfile.check_format(audio_format, subtype)), usual)
