"""Samples through pipes: raw or WAV on standard input and output, every block passed on at once.

Whatever has arrived is handed over, so a microphone's 10 ms pieces leave as 10 ms pieces; nothing here buffers.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioFileError
from .audio_file import check_rate
from .pcm import S16LE, SUBTYPES, Encoding, decode, encode
from .wav_header import SLOPPY_SECONDS, WavHeader, build_header, read_header

Float32 = NDArray[np.float32]

_FOREIGN = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\x03": "MP3", b"ID3\x04": "MP3", b"FORM": "AIFF", b"caff": "CAF"}


def unbuffered(descriptor: int, mode: str) -> io.FileIO:
    """A descriptor as an unbuffered byte stream (``"rb"`` or ``"wb"``) that waits, whatever its other users set."""
    with contextlib.suppress(OSError, AttributeError):
        os.set_blocking(descriptor, True)
    return io.FileIO(descriptor, mode, closefd=False)


@dataclass(frozen=True)
class RawFormat:
    """Samples without a header: what ``--raw-rate``, ``--raw-format`` and ``--raw-channels`` say."""

    sample_rate: int
    encoding: Encoding = S16LE
    channels: int = 1


class PipeReader:
    """Reads raw samples or WAV from an unbuffered byte stream; see `files.Reader`.

    Args:
        stream: an `io.FileIO` or the like, whose ``read`` returns what is there.
        raw: the format, or None for WAV; a WAV header is recognised in either case.
        name: of the stream, for messages.

    Raises:
        AudioFileError: nothing comes, or something else than was announced.

    Attributes:
        name: of the stream.
        encoding: of the samples, to be used for the output as well.
        is_wav: whether there was a header.
    """

    def __init__(self, stream: io.RawIOBase, raw: RawFormat | None = None, name: str = "standard input") -> None:
        self._stream, self.name = stream, name
        self._pending = b""
        self._pending = self._read_exactly(4)
        if not self._pending:
            raise AudioFileError(f"{name} ended before its first sample; look at the program that writes into it")
        self.is_wav = self._pending in (b"RIFF", b"RF64")
        if self.is_wav:
            header = read_header(self._read_exactly, name)
            check_rate(name, header.sample_rate)
        elif raw is None:
            found = _FOREIGN.get(self._pending, "no WAV")
            raise AudioFileError(
                f"{name} holds {found}; pipes carry WAV, or raw samples announced with --raw-rate 16000 (and "
                "--raw-format, --raw-channels); other formats are read as files"
            )
        else:
            header = WavHeader(raw.encoding, raw.sample_rate, raw.channels, None)
        self._pending = self._pending or self._read_exactly(1)
        if header.frames == 0 or not self._pending:
            raise AudioFileError(f"{name} has a WAV header but no samples behind it; nothing can be denoised")
        self.encoding, self.sample_rate = header.encoding, header.sample_rate
        self.subtype = SUBTYPES[header.encoding]
        self.channels, self.frames = header.channels, header.frames
        self._frame_bytes = header.encoding.width * header.channels
        self._bytes_left = None if header.frames is None else header.frames * self._frame_bytes

    def read(self, n: int) -> Float32:
        """See `files.Reader.read`: waits for at least one whole sample, then gives what is there."""
        data, self._pending = self._pending, b""
        while self._bytes_left != 0 and len(data) < self._frame_bytes:
            wanted = max(n * self._frame_bytes - len(data), 1)
            more = self._read(wanted if self._bytes_left is None else min(wanted, self._bytes_left - len(data)))
            if not more:
                self._pending = data
                return np.zeros((0, self.channels), np.float32)
            data += more
        whole = min(len(data) // self._frame_bytes, n) * self._frame_bytes
        self._pending = data[whole:]
        if self._bytes_left is not None:
            self._bytes_left -= whole
        if whole == 0:
            self._drain()
        return decode(data[:whole], self.encoding).reshape(-1, self.channels)

    def check_end(self) -> None:
        """Raise AudioFileError when the last sample was cut, or fewer came than the header says."""
        if self._pending:
            raise AudioFileError(
                f"{self.name} ended in the middle of a sample: {len(self._pending)} of {self._frame_bytes} bytes; the "
                f"whole samples before it were denoised; is it really {self.encoding.name} with {self.channels} "
                f"{'channel' if self.channels == 1 else 'channels'}?"
            )
        said = (self.frames or 0) / self.sample_rate
        missing = (self._bytes_left or 0) / self._frame_bytes / self.sample_rate
        if missing > SLOPPY_SECONDS:
            raise AudioFileError(
                f"{self.name} ended early: its header says {said:.1f} s, and {said - missing:.1f} s came, which were "
                "denoised; look at the program that writes into it"
            )

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def _drain(self) -> None:
        """Swallow the chunks after the samples, else the program before us dies of a closed pipe."""
        while self._read(65536):
            pass

    def _read(self, count: int) -> bytes:
        try:
            return self._stream.read(count) or b""
        except OSError as error:
            reason = error.strerror or error
            raise AudioFileError(f"{self.name} cannot be read: {reason}; pipe something into it") from None

    def _read_exactly(self, count: int) -> bytes:
        data, self._pending = self._pending[:count], self._pending[count:]
        while len(data) < count and (more := self._read(count - len(data))):
            data += more
        return data


class PipeWriter:
    """Writes raw samples or WAV to an unbuffered byte stream; see `files.Writer`.

    Args:
        stream: an `io.FileIO` or the like.
        encoding: of the samples.
        sample_rate: in Hz.
        channels: how many.
        is_wav: begin with a header.
        frames: the length, if known, for that header.
        name: of the stream, for messages.

    Raises:
        BrokenPipeError: from `write`, when the program behind has gone; the end of the work, not an error.
        AudioFileError: from `write`, when the stream takes no more, as a full disk does.
    """

    def __init__(
        self,
        stream: io.RawIOBase,
        encoding: Encoding,
        sample_rate: int,
        channels: int,
        *,
        is_wav: bool,
        frames: int | None = None,
        name: str = "standard output",
    ) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self._stream, self._encoding, self.name = stream, encoding, name
        if is_wav:
            self._write(build_header(WavHeader(encoding, sample_rate, channels, frames)))

    def write(self, samples: Float32) -> None:
        """See `files.Writer.write`; the bytes have left when this returns."""
        if len(samples):
            self._write(encode(samples, self._encoding))

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def abort(self) -> None:
        """Close the stream; what has left cannot be taken back."""
        self._stream.close()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._stream.write(rest) or 0 :]
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EINVAL):  # Windows says EINVAL where others say EPIPE
                raise BrokenPipeError(errno.EPIPE, "the program behind has gone") from None
            raise AudioFileError(
                f"{self.name} could not be written: {error.strerror}; look at where it is redirected to"
            ) from None
