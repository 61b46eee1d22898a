"""One stream: bytes in, bytes out, through a Denoiser, in pieces short enough that others are not kept waiting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..engine import Denoiser
from ..files.pcm import Encoding, decode, encode
from .turns import Work

#: Sound that is denoised in one turn: about half a millisecond of computing with the default model.
TURN_SECONDS = 0.032


class Stream:
    """Work on it is done in turns, one piece at a time; see `turns`.

    Args:
        denoiser: of this stream alone.
        encoding: of the samples, both ways.

    Attributes:
        encoding: as given.
        denoiser: whose ``attenuation_limit_db`` and ``bypass`` may be set between two blocks.
        samples_in, samples_out: up to now.
    """

    def __init__(self, denoiser: Denoiser, encoding: Encoding) -> None:
        self.denoiser = denoiser
        self.samples_in = self.samples_out = 0
        self.encoding = encoding
        self._turn = max(1, round(TURN_SECONDS * denoiser.sample_rate))

    def process(self, data: bytes) -> Work[bytes]:
        """Denoise one block.

        Args:
            data: a whole number of samples, any number, 0 too.

        Returns:
            By the generator's end: the samples that are ready, encoded likewise.
        """
        samples = decode(data, self.encoding)
        self.samples_in += len(samples)
        if len(samples) <= self._turn:
            return self._encoded(self.denoiser.process(samples))
        parts = []
        for begin in range(0, len(samples), self._turn):
            if begin:
                yield
            parts.append(self._encoded(self.denoiser.process(samples[begin : begin + self._turn])))
        return b"".join(parts)

    def flush(self) -> bytes:
        """End the stream; what was still inside, encoded."""
        return self._encoded(self.denoiser.flush())

    def _encoded(self, samples: NDArray[np.float32]) -> bytes:
        self.samples_out += len(samples)
        return encode(samples, self.encoding)
