"""Paper to draw on, letters to write with, and the PNG file that comes of it; numpy and the standard library do it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

PAPER: Colour = (250, 250, 250)
INK: Colour = (60, 60, 60)
PALE: Colour = (215, 215, 215)

_SCALE = 2  # pixels a dot
LETTER_WIDTH, LETTER_HEIGHT = 6 * _SCALE, 8 * _SCALE

#: The letters from the space to the tilde, ``(95, 5)``: five columns each, the lowest bit on top.
_LETTERS = np.frombuffer(
    bytes.fromhex(
        """
        0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000 001c224100 0041221c00
        14083e0814 08083e0808 0050300000 0808080808 0060600000 2010080402 3e5149453e 00427f4000 4261514946 2141454b31
        1814127f10 2745454539 3c4a494930 0171090503 3649494936 064949291e 0036360000 0056360000 0814224100 1414141414
        0041221408 0201510906 324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a
        7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e
        7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f 6314081463 0708700807 6151494543 007f414100
        0204081020 0041417f00 0402010204 4040404040 0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418
        087e090102 18a4a4a47c 7f08040478 00447d4000 4080847d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438
        fc24242418 18242418fc 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c 4428102844 1ca0a0a07c
        4464544c44 0008364100 00007f0000 0041360800 0804080810
        """
    ),
    np.uint8,
).reshape(-1, 5)


class Canvas:
    """A sheet of paper.

    Attributes:
        pixels: ``(height, width, 3)``: red, green, blue.
    """

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Pixels = np.full((height, width, 3), PAPER, np.uint8)

    def write(self, text: str, left: int, top: int, *, ink: Colour = INK, shift: float = 0.0) -> None:
        """Put a line of text with its upper left corner somewhere; ``shift`` 0.5 centres it there, 1 ends it there."""
        left = max(0, left - round(shift * LETTER_WIDTH * len(text)))
        for letter in text:
            columns = _LETTERS[ord(letter if " " <= letter <= "~" else "?") - ord(" ")]
            dots = (columns[None, :] >> np.arange(8)[:, None]) & 1
            dots = np.kron(dots, np.ones((_SCALE, _SCALE), int)).astype(bool)
            place = self.pixels[top : top + LETTER_HEIGHT, left : left + 5 * _SCALE]
            place[dots[: place.shape[0], : place.shape[1]]] = ink
            left += LETTER_WIDTH

    def fill(self, left: int, top: int, width: int, height: int, ink: Colour = INK) -> None:
        """A box full of ink."""
        self.pixels[top : top + height, left : left + width] = ink

    def paste(self, picture: Pixels, left: int, top: int) -> None:
        """A picture in a frame of one pixel around it."""
        height, width, _ = picture.shape
        self.fill(left - 1, top - 1, width + 2, height + 2)
        self.pixels[top : top + height, left : left + width] = picture

    def draw(self, rows: NDArray[np.float64], left: int, top: int, height: int, ink: Colour) -> None:
        """A line through one point a column; ``rows`` ``(n,)`` count from 0, the top, to 1, the bottom."""
        places = top + np.rint(np.clip(rows, 0, 1) * (height - 2)).astype(int)
        for column, (here, before) in enumerate(zip(places, [places[0], *places[:-1]], strict=True)):
            low, high = sorted((int(here), int(before)))
            self.fill(left + column, low, 1, high - low + 2, ink)

    def png(self) -> bytes:
        """The PNG file."""
        height, width, _ = self.pixels.shape
        rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: 0, none
        rows[:, 1:] = self.pixels.reshape(height, -1)

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"".join(
            (
                b"\x89PNG\r\n\x1a\n",
                chunk(b"IHDR", size),
                chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
                chunk(b"IEND", b""),
            )
        )
