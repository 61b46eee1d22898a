"""16-bit samples as bytes: as many out as in, call by call, which is what telephones and voice agents want."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..engine import Denoiser
from ..errors import ParameterError
from ..files.pcm import S16LE, decode, encode
from ..model import Model

#: Silence that a new stream is run with, so that the first block takes no longer than the others.
_WARM_UP_SECONDS = 0.16


class PcmDenoiser:
    """Denoises one stream of 16-bit little-endian samples, channels interleaved, each channel by itself.

    Every call gives out as many bytes as it took in, ``latency`` samples late; a stream begins with as much silence.

    Args:
        sample_rate: in Hz, see ``Denoiser``.
        channels: how many, from 1 up.
        model, attenuation_limit_db, bypass, profile: see ``Denoiser``. A ``Model`` is shared between streams.

    Attributes:
        sample_rate, channels: as given.
        model: the ``Model``.
        latency: shift between input and output, in samples of one channel.

    Raises what a ``Denoiser`` raises, and is used by threads as one is.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        channels: int = 1,
        *,
        model: str | Path | Model = "stream",
        attenuation_limit_db: float | None = None,
        bypass: bool = False,
        profile: str = "people",
    ) -> None:
        if not isinstance(channels, int) or channels < 1:
            raise ParameterError(f"channels={channels!r} is not possible; give a whole number from 1 up")
        self.model = model if isinstance(model, Model) else Model.load(model)
        self._denoisers = [
            Denoiser(sample_rate, self.model, attenuation_limit_db, bypass, profile=profile) for _ in range(channels)
        ]
        self.sample_rate, self.channels, self.latency = sample_rate, channels, self._denoisers[0].latency
        self._width = channels * S16LE.width
        self._rest, self._ready = b"", bytearray()
        self.process(bytes(round(_WARM_UP_SECONDS * sample_rate) * self._width))
        self.reset()

    @property
    def latency_seconds(self) -> float:
        """Shift between input and output, in seconds."""
        return self._denoisers[0].latency_seconds

    @property
    def attenuation_limit_db(self) -> float | None:
        """See ``Denoiser.attenuation_limit_db``."""
        return self._denoisers[0].attenuation_limit_db

    @attenuation_limit_db.setter
    def attenuation_limit_db(self, limit: float | None) -> None:
        for denoiser in self._denoisers:
            denoiser.attenuation_limit_db = limit

    @property
    def bypass(self) -> bool:
        """Whether the undenoised signal comes out, as late as the denoised one. A change is faded in over 64 ms."""
        return self._denoisers[0].bypass

    @bypass.setter
    def bypass(self, bypass: bool) -> None:
        for denoiser in self._denoisers:
            denoiser.bypass = bypass

    def process(self, data: bytes | bytearray | memoryview) -> bytes:
        """Take in samples and give out as many.

        Args:
            data: any number of bytes. What is less than a sample of all channels waits for the next call, so a stream
                that is cut in the middle of samples comes out whole.

        Returns:
            As many bytes as whole samples came in; 16-bit samples, rounded and clipped as in files.
        """
        data = b"".join((self._rest, data)) if self._rest else bytes(data)
        whole = len(data) // self._width * self._width
        self._rest = data[whole:]
        self._ready += self._denoised(data[:whole])
        given = bytes(self._ready[:whole])
        del self._ready[:whole]
        return given

    def flush(self) -> bytes:
        """End the stream: the last ``latency`` samples come out, and the object is as new.

        A sample that was cut in the middle is left out.
        """
        tail = [denoiser.flush() for denoiser in self._denoisers]
        given = bytes(self._ready) + encode(np.stack(tail, axis=1), S16LE)
        self.reset()
        return given

    def reset(self) -> None:
        """Forget all that was heard, also what is still inside."""
        self._rest = b""
        self._ready.clear()
        for denoiser in self._denoisers:
            denoiser.reset()

    def _denoised(self, data: bytes) -> bytes:
        samples = decode(data, S16LE)
        if self.channels == 1:
            return encode(self._denoisers[0].process(samples), S16LE)
        channels = samples.reshape(-1, self.channels).T
        denoised = [denoiser.process(one) for denoiser, one in zip(self._denoisers, channels, strict=True)]
        return encode(np.stack(denoised, axis=1), S16LE)
