"""The head of a WAV stream, read and written where nobody can seek."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import AudioFileError
from .pcm import F32LE, F64LE, S16LE, S24LE, S32LE, U8, Encoding

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS = {(_PCM, e.bits): e for e in (U8, S16LE, S24LE, S32LE)} | {(_FLOAT, e.bits): e for e in (F32LE, F64LE)}

#: Programs that cannot seek back write 0, 0xFFFFFFFF (ffmpeg) or something just below 2 GiB (sox, arecord).
LEAST_INVENTED_LENGTH = 0x7FFF0000
#: Some count the header among the samples: so much may be missing.
SLOPPY_SECONDS = 0.05
_UNKNOWN = 0xFFFFFFFF

_LONGEST_FORMAT_CHUNK = 1024


@dataclass(frozen=True)
class WavHeader:
    """What a WAV stream says of itself; ``frames`` is None where its length is not stated."""

    encoding: Encoding
    sample_rate: int
    channels: int
    frames: int | None


def read_header(read_exactly: Callable[[int], bytes], name: str) -> WavHeader:
    """Read up to the first sample.

    Args:
        read_exactly: gives so many bytes, fewer only where the stream ends.
        name: of the stream, for messages.

    Raises:
        AudioFileError: no WAV, cut short, or of an encoding other than PCM and float.
    """

    def take(count: int) -> bytes:
        data = read_exactly(count)
        if len(data) < count:
            raise AudioFileError(f"{name} ended within its WAV header; look at the program that writes into it")
        return data

    head = take(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise AudioFileError(f"{name} is {head[8:]!r} in a {head[:4]!r} wrapper; pipes carry WAV or raw samples")
    encoding, sample_rate, channels, long_length = None, 0, 0, None
    while True:
        chunk, length = struct.unpack("<4sI", take(8))
        if chunk == b"data":
            break
        if chunk == b"fmt ":
            if not 16 <= length <= _LONGEST_FORMAT_CHUNK:
                raise AudioFileError(f"{name} has a WAV format chunk of {length} bytes; 16, 18 or 40 are usual")
            body = take(length + length % 2)
            tag, channels, sample_rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            if tag == _EXTENSIBLE and length >= 26:
                tag = struct.unpack("<H", body[24:26])[0]
            encoding = _ENCODINGS.get((tag, bits))
            if encoding is None:
                raise AudioFileError(
                    f"{name} is WAV of format {tag} with {bits} bits; pipes carry PCM of 8, 16, 24, 32 or float of 32, "
                    "64 bits: convert it first, or give it as a file"
                )
        elif chunk == b"ds64":
            body = take(length + length % 2)
            long_length = struct.unpack("<Q", body[8:16])[0]
        else:
            remaining = length + length % 2
            while remaining:
                remaining -= len(take(min(remaining, 65536)))
    if encoding is None:
        raise AudioFileError(f"{name} has samples before it says their format; it is no proper WAV")
    if channels == 0:
        raise AudioFileError(f"{name} says it has 0 channels; at least 1 is needed")
    if long_length is not None:
        length = long_length
    elif length == 0 or length >= LEAST_INVENTED_LENGTH:
        return WavHeader(encoding, sample_rate, channels, None)
    return WavHeader(encoding, sample_rate, channels, length // (encoding.width * channels))


def build_header(header: WavHeader) -> bytes:
    """The 44 bytes before the first sample; an unknown length, or one over 4 GB, is written as ffmpeg does."""
    frame = header.encoding.width * header.channels
    data_length = _UNKNOWN if header.frames is None else header.frames * frame
    if data_length > _UNKNOWN - 36:
        riff_length = data_length = _UNKNOWN
    else:
        riff_length = data_length + data_length % 2 + 36
    tag = _FLOAT if header.encoding.kind == "f" else _PCM
    rate = header.sample_rate
    form = struct.pack("<HHIIHH", tag, header.channels, rate, rate * frame, frame, header.encoding.bits)
    return struct.pack("<4sI8sI16s4sI", b"RIFF", riff_length, b"WAVEfmt ", len(form), form, b"data", data_length)
