"""LiveKit: noise cancellation for the sound of a room, in this process, for LiveKit Cloud and for servers of one's own.

room_io.AudioInputOptions(noise_cancellation=RtDenoiseProcessor())                   # LiveKit Agents
rtc.AudioStream.from_track(track=track, noise_cancellation=RtDenoiseProcessor())     # LiveKit alone
"""

from __future__ import annotations

from pathlib import Path

from ..errors import MissingPackageError
from ..model import Model
from .pcm import PcmDenoiser

try:
    from livekit import rtc
except ModuleNotFoundError as error:
    if not str(error.name).startswith("livekit"):
        raise
    raise MissingPackageError("LiveKit is not installed: pip install 'rtdenoise[livekit]'") from None


class RtDenoiseProcessor(rtc.FrameProcessor[rtc.AudioFrame]):
    """Takes the noise out of the frames of an audio stream of LiveKit.

    One processor is one stream of sound: give each participant its own (``noise_cancellation=lambda _:
    RtDenoiseProcessor(model=shared)`` in LiveKit Agents). Any rate from 4 kHz, any number of channels, any length of
    frames; each comes out in its length, 16 ms late at 8, 16, 24, 32 and 48 kHz. Another rate, another number of
    channels or another track begins anew.

    Args:
        model: name of a packaged model, path of an ONNX file, or a ``Model``, which saves loading it for each call.
        attenuation_limit_db: noise is attenuated by no more than this, in dB; ``None`` leaves it to the profile.
        profile: ``"asr"``, the default, is mild, for speech recognition; ``"people"`` takes away all that it can, for
            sound that people will hear.
        sample_rate: the rate that is got ready, in Hz; 24 kHz is what LiveKit Agents use.
        channels: the number of channels that is got ready.

    Raises:
        ParameterError: a parameter outside its legal values.
        ModelError: the model cannot be loaded. LiveKit passes on what a processor fails at undenoised, with no more
            than a line in its log; so everything that can fail is tried here.
    """

    def __init__(
        self,
        *,
        model: str | Path | Model = "stream",
        attenuation_limit_db: float | None = None,
        profile: str = "asr",
        sample_rate: int = 24000,
        channels: int = 1,
    ) -> None:
        self._stream = PcmDenoiser(
            sample_rate, channels, model=model, attenuation_limit_db=attenuation_limit_db, profile=profile
        )
        self._track: tuple[str, str] | None = None

    @property
    def bypass(self) -> bool:
        """Whether the undenoised sound comes out, as late as the denoised one. A change is faded in over 64 ms."""
        return self._stream.bypass

    @bypass.setter
    def bypass(self, bypass: bool) -> None:
        self._stream.bypass = bypass

    @property
    def attenuation_limit_db(self) -> float | None:
        """The most by which noise is attenuated, in dB from 0 up, or ``None``. A change is faded in over 64 ms."""
        return self._stream.attenuation_limit_db

    @attenuation_limit_db.setter
    def attenuation_limit_db(self, limit: float | None) -> None:
        self._stream.attenuation_limit_db = limit

    @property
    def latency_seconds(self) -> float:
        """How late the sound comes out, in seconds."""
        return self._stream.latency_seconds

    @property
    def enabled(self) -> bool:
        """Whether LiveKit is to hand over frames: always. To set it is to set `bypass` to the opposite.

        LiveKit leaves out a processor that says no here: the sound would jump ahead by 16 ms, and when it comes back
        what was left inside would be heard. `bypass` tells whether noise is taken away.
        """
        return True

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self.bypass = not value

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        rate, channels, count = frame.sample_rate, frame.num_channels, frame.samples_per_channel
        old = self._stream
        if (rate, channels) != (old.sample_rate, old.channels):
            self._stream = PcmDenoiser(
                rate, channels, model=old.model, attenuation_limit_db=old.attenuation_limit_db, bypass=old.bypass
            )
        data = self._stream.process(frame.data.cast("B")[: 2 * channels * count])
        return rtc.AudioFrame(data, rate, channels, count, userdata=frame.userdata)

    def _on_stream_info_updated(self, *, room_name: str, participant_identity: str, publication_sid: str) -> None:
        """LiveKit says whose sound comes, also again and again of the same track: another's begins anew."""
        track = (participant_identity, publication_sid)
        if self._track not in (None, track):
            self._stream.reset()
        self._track = track

    def _close(self) -> None:
        self._stream.reset()
