"""Pipecat: a filter for the sound that a transport brings in, before voice activity detection and recognition.

TransportParams(audio_in_enabled=True, audio_in_filter=RtDenoiseFilter())
"""

from __future__ import annotations

from pathlib import Path

from ..config import checked_limit, limit_for
from ..errors import MissingPackageError, ParameterError, RtdenoiseError
from ..model import Model
from .pcm import PcmDenoiser

try:
    from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
    from pipecat.frames.frames import FilterControlFrame, FilterEnableFrame, FilterUpdateSettingsFrame
except ModuleNotFoundError as error:
    if not str(error.name).startswith("pipecat"):
        raise
    raise MissingPackageError(
        "Pipecat is not installed: pip install 'rtdenoise[pipecat]' (Python 3.11 or later)"
    ) from None


class RtDenoiseFilter(BaseAudioFilter):
    """Takes the noise out of what a Pipecat transport hears.

    One filter is one stream: give each transport its own. Every call gives out as many samples as it took in, 16 ms
    late at 8, 16, 24, 32 and 48 kHz. It computes in the event loop, about a hundredth of the time that the sound lasts;
    to hand that to a thread would cost more.

    Args:
        channels: how many the transport's sound has, interleaved (``audio_in_channels``).
        model: name of a packaged model, path of an ONNX file, or a ``Model``, which saves loading it for each call.
        attenuation_limit_db: noise is attenuated by no more than this, in dB; ``None`` leaves it to the profile.
        profile: ``"asr"``, the default, is mild, for speech recognition; ``"people"`` takes away all that it can, for
            sound that people will hear.

    ``FilterEnableFrame`` switches between denoised and undenoised sound of the same latency, faded over 64 ms.
    ``FilterUpdateSettingsFrame`` knows the setting ``attenuation_limit_db``.

    Raises:
        ParameterError: a parameter outside its legal values.
        ModelError: the model cannot be loaded.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        model: str | Path | Model = "stream",
        attenuation_limit_db: float | None = None,
        profile: str = "asr",
    ) -> None:
        self._channels, self._bypass = channels, False
        self._limit_db = limit_for(profile, attenuation_limit_db)
        # Pipecat tells of a start that fails, but goes on; so all but the rate is tried here.
        self._model = PcmDenoiser(16000, channels, model=model, attenuation_limit_db=self._limit_db).model
        self._stream: PcmDenoiser | None = None

    @property
    def latency_seconds(self) -> float:
        """How late the sound comes out, in seconds; 0 while the filter is not started."""
        return 0.0 if self._stream is None else self._stream.latency_seconds

    async def start(self, sample_rate: int) -> None:
        """Begin a stream; the transport calls this.

        Args:
            sample_rate: of the transport, in Hz.

        Raises:
            ParameterError: a rate that is not possible.
        """
        self._stream = PcmDenoiser(
            sample_rate,
            self._channels,
            model=self._model,
            attenuation_limit_db=self._limit_db,
            bypass=self._bypass,
        )

    async def stop(self) -> None:
        """End the stream; the filter may be started again."""
        self._stream = None

    async def process_frame(self, frame: FilterControlFrame) -> None:
        """Obey a control frame, whether the filter is started or not.

        Raises:
            ParameterError: a setting that there is not, or a limit that is not possible.
        """
        if isinstance(frame, FilterEnableFrame):
            self._bypass = not frame.enable
        elif isinstance(frame, FilterUpdateSettingsFrame):
            unknown = frame.settings.keys() - {"attenuation_limit_db"}
            if unknown:
                raise ParameterError(f"there is no setting {min(unknown)!r}; rtdenoise knows attenuation_limit_db")
            self._limit_db = checked_limit(frame.settings.get("attenuation_limit_db", self._limit_db))
        if self._stream is not None:
            self._stream.bypass, self._stream.attenuation_limit_db = self._bypass, self._limit_db

    async def filter(self, audio: bytes) -> bytes:
        """Denoise a block of 16-bit samples; any number of bytes, see `PcmDenoiser.process`.

        Raises:
            RtdenoiseError: the filter was not started.
        """
        if self._stream is None:
            raise RtdenoiseError("RtDenoiseFilter is not started: call start(sample_rate) before filter(audio)")
        return self._stream.process(audio)
