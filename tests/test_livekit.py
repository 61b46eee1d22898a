"""Hazard: in a real audio stream of LiveKit the processor does something else than alone, or is left out unsaid."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys

import numpy as np
import pytest

from rtdenoise import ModelError, ParameterError
from rtdenoise.config import PROFILES
from rtdenoise.errors import MissingPackageError
from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.integrations.pcm import PcmDenoiser

try:
    from livekit import rtc
except ModuleNotFoundError as error:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip(f"{error.name} is not installed: pip install 'rtdenoise[livekit]'", allow_module_level=True)

from rtdenoise.integrations.livekit import RtDenoiseProcessor

pytestmark = pytest.mark.live

RATES = [8000, 16000, 24000, 48000]


def frames_of(samples: np.ndarray, rate: int, frame_seconds: float = 0.01) -> list[rtc.AudioFrame]:
    """(n, channels) float32 as LiveKit cuts it."""
    count, frames = round(rate * frame_seconds), []
    for start in range(0, len(samples) - count + 1, count):
        piece = samples[start : start + count]
        frames.append(rtc.AudioFrame(encode(piece, S16LE), rate, samples.shape[1], count))
    return frames


def values(frames: list[rtc.AudioFrame]) -> np.ndarray:
    return np.concatenate([np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels) for frame in frames])


def voices(speechlike, rate: int, channels: int) -> np.ndarray:
    return np.stack([speechlike(rate // 2, rate, seed=seed) for seed in range(channels)], axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_frames_keep_their_shape(speechlike, rate, channels):
    """Frame for frame of the same length, byte for byte what the engine makes of them, each channel by itself."""
    samples = voices(speechlike, rate, channels)
    processor = RtDenoiseProcessor()
    taken = frames_of(samples, rate, 0.05)
    for frame in taken:
        frame.userdata["speaker"] = "me"
    given = [processor._process(frame) for frame in taken]
    for before, after in zip(taken, given, strict=True):
        assert (after.sample_rate, after.num_channels) == (rate, channels)
        assert (after.samples_per_channel, after.userdata) == (before.samples_per_channel, {"speaker": "me"})
    assert processor.latency_seconds == 0.016
    for channel in range(channels):
        alone = PcmDenoiser(rate, profile="asr")
        data = alone.process(encode(samples[:, channel], S16LE))
        assert values(given)[:, channel].tobytes() == data[: 2 * len(values(given))]


@pytest.mark.parametrize(
    ("rate", "channels", "enabled"), [(24000, 1, True), (48000, 2, True), (8000, 1, True), (16000, 2, False)]
)
def test_a_real_audio_stream(speechlike, rate, channels, enabled):
    """LiveKit's own library plays a track into an AudioStream; no server is needed for that."""
    samples = np.concatenate([voices(speechlike, rate, channels)] * 2)

    async def through_livekit() -> tuple[list, list]:
        source = rtc.AudioSource(rate, channels)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        taken, given = [], []

        class Listening(RtDenoiseProcessor):
            def _process(self, frame):
                taken.append(frame)
                return super()._process(frame)

        processor = Listening(profile="people")
        processor.enabled = enabled
        stream = rtc.AudioStream.from_track(
            track=track, sample_rate=rate, num_channels=channels, noise_cancellation=processor
        )

        async def listen():
            async for event in stream:
                given.append(event.frame)

        listening = asyncio.create_task(listen())
        for frame in frames_of(samples, rate):
            await source.capture_frame(frame)
        while len(given) < 100:  # as they are played, a hundred a second
            await asyncio.sleep(0.05)
        await stream.aclose()
        await source.aclose()
        listening.cancel()
        return taken, given

    taken, given = asyncio.run(asyncio.wait_for(through_livekit(), 30))
    assert len(taken) >= 100, "frames did not come through the processor"
    before, after = values(taken).astype(int), values(given).astype(int)
    late = 16 * rate // 1000
    count = min(len(before), len(after)) - late
    difference = np.abs(after[late : late + count] - before[:count])
    if enabled:
        assert difference.max() > 100
        stream = PcmDenoiser(rate, channels)
        assert after.astype("<i2").tobytes() == stream.process(before.astype("<i2").tobytes())[: 2 * after.size]
    else:
        assert difference.max() <= 1, "bypassed sound is the input, 16 ms later"
        assert np.abs(before).max() > 1000


def test_switching_keeps_the_time(noise):
    rate, half = 24000, 12000
    samples = 0.1 * noise(3 * half)[:, None]
    processor = RtDenoiseProcessor()
    given = []
    for index, frame in enumerate(frames_of(samples, rate)):
        processor.enabled = 50 <= index < 100
        assert processor.bypass is not (50 <= index < 100)
        assert processor.enabled, "or LiveKit would leave it out, and the sound would jump"
        given.append(processor._process(frame))
    late, settled = 384, rate // 10
    difference = np.abs(values(given)[late:].astype(int) - np.frombuffer(encode(samples, S16LE), "<i2")[:-late, None])
    assert difference[settled : half - 2 * late].max() <= 1
    assert difference[half + settled : 2 * half - 2 * late].max() > 100
    assert difference[2 * half + settled :].max() <= 1


def test_another_format_begins_anew_with_the_same_settings(identity, speechlike):
    processor = RtDenoiseProcessor(model=identity, attenuation_limit_db=30)
    processor.attenuation_limit_db = 20
    processor.bypass = True
    first = frames_of(voices(speechlike, 48000, 2), 48000)[0]
    assert processor._process(first).num_channels == 2
    assert (processor.attenuation_limit_db, processor.bypass) == (20, True)
    long = rtc.AudioFrame(bytes(1000), 8000, 1, 100)  # more bytes than samples are LiveKit's right
    assert len(processor._process(long).data) == 100


def test_another_track_is_another_voice(speechlike):
    """LiveKit says again and again whose sound it is."""
    frame = frames_of(voices(speechlike, 24000, 1), 24000, 0.25)[0]
    fresh = bytes(RtDenoiseProcessor()._process(frame).data.cast("B"))
    processor = RtDenoiseProcessor()
    one = {"room_name": "r", "participant_identity": "ann", "publication_sid": "1"}
    processor._on_stream_info_updated(**one)
    assert bytes(processor._process(frame).data.cast("B")) == fresh
    processor._on_stream_info_updated(**one)
    assert bytes(processor._process(frame).data.cast("B")) != fresh, "the same track goes on"
    processor._on_stream_info_updated(**{**one, "publication_sid": "2"})
    assert bytes(processor._process(frame).data.cast("B")) == fresh
    processor._close()
    assert bytes(processor._process(frame).data.cast("B")) == fresh


def test_failures_are_raised_before_any_sound(tmp_path):
    with pytest.raises(ModelError):
        RtDenoiseProcessor(model=tmp_path / "absent.onnx")
    with pytest.raises(ParameterError, match="profile='dogs'"):
        RtDenoiseProcessor(profile="dogs")
    with pytest.raises(ParameterError, match="sample_rate=3000"):
        RtDenoiseProcessor(sample_rate=3000)
    assert RtDenoiseProcessor().attenuation_limit_db == PROFILES["asr"]


def test_without_livekit_it_says_what_to_install(monkeypatch):
    module = "rtdenoise.integrations.livekit"
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "livekit", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'rtdenoise\[livekit\]'"):
        importlib.import_module(module)
