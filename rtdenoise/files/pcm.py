"""Samples as bytes and as integers: the encodings that pipes carry and files keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoding:
    """How one sample is laid out in bytes, little-endian.

    ``kind`` is ``"u"`` (unsigned integer with its zero at half range), ``"s"`` (signed integer) or ``"f"`` (float).
    """

    kind: str
    bits: int

    @property
    def width(self) -> int:
        """Bytes of one sample."""
        return self.bits // 8

    @property
    def name(self) -> str:
        """The usual short name, such as ``s16le``."""
        return f"{self.kind}{self.bits}" + ("le" if self.width > 1 else "")


S16LE = Encoding("s", 16)
F32LE = Encoding("f", 32)
U8, S24LE, S32LE, F64LE = Encoding("u", 8), Encoding("s", 24), Encoding("s", 32), Encoding("f", 64)

#: libsndfile's names for them.
SUBTYPES = {U8: "PCM_U8", S16LE: "PCM_16", S24LE: "PCM_24", S32LE: "PCM_32", F32LE: "FLOAT", F64LE: "DOUBLE"}

#: What ``--raw-format`` accepts.
RAW_FORMATS = {encoding.name: encoding for encoding in (S16LE, F32LE)}


def quantise(samples: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    """Full scale -1..1 to integers of ``bits`` bits: rounded to the nearest, clipped at the ends.

    libsndfile would cut the fraction off instead, which is a constant offset of half a step.
    """
    full_scale = 2.0 ** (bits - 1)
    scaled = np.rint(np.multiply(samples, full_scale, dtype=np.float64))
    return np.clip(scaled, -full_scale, full_scale - 1).astype(np.int32)


def encode(samples: NDArray[np.float32], encoding: Encoding) -> bytes:
    """Samples of any shape, full scale -1..1, as bytes in C order; floats are not clipped."""
    if encoding.kind == "f":
        return samples.astype(f"<f{encoding.width}").tobytes()
    integers = quantise(samples, encoding.bits)
    if encoding.kind == "u":
        integers += 2 ** (encoding.bits - 1)
        return integers.astype(np.uint8).tobytes()
    if encoding.bits == 24:
        return np.ascontiguousarray(integers.astype("<i4")[..., None].view(np.uint8)[..., :3]).tobytes()
    return integers.astype(f"<i{encoding.width}").tobytes()


def decode(data: bytes, encoding: Encoding) -> NDArray[np.float32]:
    """Bytes, a whole number of samples, as float32 of shape ``(n,)``; integers become -1..1."""
    if encoding.kind == "f":
        return np.frombuffer(data, f"<f{encoding.width}").astype(np.float32)
    if encoding.kind == "u":
        samples = np.frombuffer(data, np.uint8) / 128 - 1
    elif encoding.bits == 24:
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = padded.view("<i4")[:, 0] / 2.0**31
    else:
        samples = np.frombuffer(data, f"<i{encoding.width}") / 2.0 ** (encoding.bits - 1)
    return samples.astype(np.float32)
