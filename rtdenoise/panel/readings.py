"""What the panel shows: one block of numbers and a few texts, in a file that both processes map into their memory."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .shared import SharedMemory

MESSAGES = 8
NAME_BYTES, MESSAGE_BYTES = 96, 320  # of UTF-8, a zero at the end included
_NAME, _MESSAGE = ctypes.c_char * NAME_BYTES, ctypes.c_char * MESSAGE_BYTES


class Key(bytes, Enum):
    """What the panel sends, a byte each; a beat only finds out whether anybody listens."""

    BYPASS, LESS, MORE, MUTE, RECORD, QUIT, INTERRUPT, BEAT = b"b", b"-", b"+", b"m", b"r", b"q", b"\x03", b"."


@dataclass(frozen=True)
class Wish:
    """What somebody who sees the state wants it to be: one of `Live`'s properties, by its name, and its value."""

    name: str
    value: bool | float | None


class Readings(ctypes.Structure):
    """The block. Levels in dB of full scale, load as a share of the deadline."""

    _fields_ = [
        ("count", ctypes.c_uint64),  # of blocks up to this one
        ("source", _NAME),
        ("sink", _NAME),
        ("model", _NAME),
        ("sample_rate", ctypes.c_double),
        ("sink_rate", ctypes.c_double),
        ("seconds", ctypes.c_double),  # of sound that came in
        ("input_rms_db", ctypes.c_double),
        ("input_peak_db", ctypes.c_double),
        ("output_rms_db", ctypes.c_double),
        ("input_energy", ctypes.c_double),  # of all samples up to now, full scale at 1
        ("output_energy", ctypes.c_double),
        ("output_peak_db", ctypes.c_double),
        ("load", ctypes.c_double),  # p99
        ("latency_ms", ctypes.c_double),
        ("drift_ppm", ctypes.c_double),
        ("overload_seconds", ctypes.c_double),
        ("underruns", ctypes.c_uint64),
        ("attenuation_limit_db", ctypes.c_double),  # NaN: none
        ("bypass", ctypes.c_bool),
        ("muted", ctypes.c_bool),
        ("recording", ctypes.c_bool),
        ("message_count", ctypes.c_uint64),  # of which the last ones are here, oldest first
        ("messages", _MESSAGE * MESSAGES),
        ("check", ctypes.c_uint64),  # the same as count, if the block was not read while it was written
    ]


def packed(text: str, size: int) -> bytes:
    """As much of a text as has room in ``size`` bytes, a zero at the end included."""
    return text.encode()[: size - 1].decode(errors="ignore").encode()


class Board:
    """Shared memory with the block: the audio process writes it, the panel reads it.

    Args:
        path: of a board that was made; by default a new one is made.

    Raises:
        OSError: it cannot be made or mapped.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._shared = SharedMemory(ctypes.sizeof(Readings), ".panel", path)
        self.path = self._shared.path

    def write(self, readings: Readings) -> None:
        """Publish a block; costs a microsecond."""
        readings.count = readings.check = readings.count + 1
        self._shared.memory[:] = bytes(readings)

    def read(self) -> Readings | None:
        """The latest block; None before the first, and where the other side is just writing."""
        readings = Readings.from_buffer_copy(self._shared.memory)
        return readings if readings.count and readings.count == readings.check else None

    def remove(self) -> None:
        """Unmap and delete it, if the other side has not."""
        self._shared.remove()
