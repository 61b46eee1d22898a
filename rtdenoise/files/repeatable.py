"""The same samples give the same bytes, whenever they are written.

libsndfile puts the time of day into the PEAK chunk of float WAV and AIFF files, and a random number into each page of
an Ogg stream. Nobody reads either, but two results that should be equal could not be compared.
"""

from __future__ import annotations

import mmap
import re
import zlib
from pathlib import Path

_HEAD = 256  # bytes; the PEAK chunk stands before the samples, behind a header of known length
_SERIAL = b"rtdn"  # of the only stream in the file
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def make_repeatable(path: Path, audio_format: str) -> None:
    """Take the time of day and the random number out of a finished file.

    Args:
        path: the file; changed in place, its length stays.
        audio_format: libsndfile's name for its format; those that have neither are left alone.

    Raises:
        OSError: the file cannot be read or written.
    """
    if audio_format in ("WAV", "AIFF"):
        with open(path, "rb+") as file:
            head = re.split(b"data|SSND", file.read(_HEAD))[0]
            if (place := head.find(b"PEAK")) > 0:
                file.seek(place + 12)  # name, length, version
                file.write(bytes(4))
    elif audio_format == "OGG":
        with open(path, "rb+") as file, mmap.mmap(file.fileno(), 0) as pages:
            _renumber(pages)


def _renumber(pages: mmap.mmap) -> None:
    start = 0
    while pages[start : start + 4] == b"OggS":
        segments = pages[start + 26]
        end = start + 27 + segments + sum(pages[start + 27 : start + 27 + segments])
        pages[start + 14 : start + 18] = _SERIAL
        pages[start + 22 : start + 26] = bytes(4)
        pages[start + 22 : start + 26] = _checksum(pages[start:end])
        start = end


def _checksum(page: bytes) -> bytes:
    """Ogg's CRC-32: the polynomial of zlib's, from the other end of each byte, and begun with 0."""
    mirrored = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_REVERSED_BITS)
