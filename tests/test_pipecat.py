"""Hazard: the filter does in a real Pipecat pipeline something else than alone; a failure is bypassed in silence."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from rtdenoise import Model, ModelError, ParameterError, RtdenoiseError
from rtdenoise.config import PROFILES
from rtdenoise.errors import MissingPackageError
from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.integrations.pcm import PcmDenoiser

try:
    import pipecat.frames.frames as frames
except ModuleNotFoundError as error:
    if os.environ.get("CI") == "true" and sys.version_info >= (3, 11):
        raise
    pytest.skip(f"{error.name} is not installed: pip install 'rtdenoise[pipecat]'", allow_module_level=True)

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from rtdenoise.integrations.pipecat import RtDenoiseFilter

pytestmark = pytest.mark.live

RATES = [8000, 16000, 24000, 48000]
BLOCK_SECONDS = 0.02


class Microphone(BaseInputTransport):
    """A transport that hears what it is given: blocks of bytes, and frames for the filter in between."""

    def __init__(self, heard: list, **params):
        super().__init__(TransportParams(audio_in_enabled=True, **params))
        self.heard = heard

    async def start(self, frame):
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.task = self.create_task(self.speak())

    async def speak(self):
        for item in self.heard:
            if isinstance(item, bytes):
                await self.push_audio_frame(
                    frames.InputAudioRawFrame(audio=item, sample_rate=self.sample_rate, num_channels=1)
                )
            else:
                await self._audio_in_queue.join()
                await self.queue_frame(item)
                await asyncio.sleep(0.1)
        await self._audio_in_queue.join()
        await self.push_frame(frames.EndWorkerFrame())


class Ear(FrameProcessor):
    """Keeps the sound that comes by."""

    def __init__(self):
        super().__init__()
        self.blocks: list[bytes] = []

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, frames.InputAudioRawFrame):
            self.blocks.append(frame.audio)
        await self.push_frame(frame, direction)


def run(heard: list, rate: int, audio_filter) -> tuple[list[bytes], list[str]]:
    """What goes through a pipeline, block by block, and the errors on the way."""
    ear, errors = Ear(), []

    async def through_pipeline():
        worker = PipelineWorker(
            Pipeline([Microphone(heard, audio_in_filter=audio_filter), ear]),
            params=PipelineParams(audio_in_sample_rate=rate),
            cancel_on_idle_timeout=False,
        )

        @worker.event_handler("on_pipeline_error")
        async def on_pipeline_error(worker, frame):
            errors.append(frame.error)
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await asyncio.wait_for(runner.run(), 30)

    asyncio.run(through_pipeline())
    return ear.blocks, errors


def blocks_of(samples: np.ndarray, rate: int) -> list[bytes]:
    data, size = encode(samples, S16LE), 2 * round(rate * BLOCK_SECONDS)
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("rate", RATES)
def test_a_pipeline_hears_the_denoised_sound(speechlike, rate):
    """Block for block of the length that was spoken, byte for byte what the engine makes of it, 16 ms late."""
    spoken = blocks_of(speechlike(rate, rate), rate)
    audio_filter = RtDenoiseFilter()
    heard, errors = run(spoken, rate, audio_filter)
    engine = PcmDenoiser(rate, profile="asr")
    assert heard == [engine.process(block) for block in spoken]
    assert engine.latency_seconds == 0.016
    assert not errors
    assert audio_filter.latency_seconds == 0, "the transport has stopped it"


def test_enable_and_disable_keep_the_time(noise):
    rate, half = 16000, 8000
    samples = 0.1 * noise(3 * half)
    spoken = blocks_of(samples, rate)
    third = len(spoken) // 3
    off, on = frames.FilterEnableFrame(enable=False), frames.FilterEnableFrame(enable=True)
    heard, errors = run(
        [off, *spoken[:third], on, *spoken[third : 2 * third], off, *spoken[2 * third :]], rate, RtDenoiseFilter()
    )
    given = np.frombuffer(b"".join(heard), "<i2").astype(int)
    difference = np.abs(given[256:] - np.frombuffer(encode(samples, S16LE), "<i2")[:-256])
    assert difference[2000 : half - 512].max() <= 1
    assert difference[half + 2000 : 2 * half - 512].max() > 100
    assert difference[2 * half + 2000 :].max() <= 1
    assert not errors


def test_settings_come_as_frames(identity):
    async def change(settings):
        audio_filter = RtDenoiseFilter(model=identity)
        assert audio_filter._limit_db == PROFILES["asr"]
        await audio_filter.process_frame(frames.FilterUpdateSettingsFrame(settings=settings))
        await audio_filter.start(8000)
        return audio_filter._stream

    assert asyncio.run(change({"attenuation_limit_db": 24})).attenuation_limit_db == 24
    assert asyncio.run(change({"attenuation_limit_db": None})).attenuation_limit_db is None
    with pytest.raises(ParameterError, match="there is no setting 'strength'; rtdenoise knows attenuation_limit_db"):
        asyncio.run(change({"strength": 24}))


@pytest.mark.parametrize("started", [True, False])
def test_a_limit_that_cannot_be_changes_nothing(identity, started):
    async def change():
        audio_filter = RtDenoiseFilter(model=identity)
        if started:
            await audio_filter.start(8000)
        with pytest.raises(ParameterError, match="attenuation_limit_db=-1"):
            await audio_filter.process_frame(frames.FilterUpdateSettingsFrame(settings={"attenuation_limit_db": -1}))
        await audio_filter.process_frame(frames.FilterEnableFrame(enable=False))
        await audio_filter.start(16000)
        return audio_filter._stream

    stream = asyncio.run(change())
    assert stream.attenuation_limit_db == PROFILES["asr"]
    assert stream.bypass


def test_off_before_the_start_is_off_after_it(identity):
    async def start():
        audio_filter = RtDenoiseFilter(model=identity, channels=2)
        await audio_filter.process_frame(frames.FilterEnableFrame(enable=False))
        await audio_filter.start(24000)
        return audio_filter._stream

    stream = asyncio.run(start())
    assert stream.bypass
    assert (stream.sample_rate, stream.channels) == (24000, 2)


def test_it_starts_again_as_new(speechlike):
    async def twice():
        audio_filter, out = RtDenoiseFilter(model=Model.load("stream")), []
        for _ in range(2):
            await audio_filter.start(8000)
            out.append(await audio_filter.filter(encode(speechlike(4000, 8000), S16LE)))
            await audio_filter.stop()
        return out

    first, second = asyncio.run(twice())
    assert first == second


def test_nothing_is_bypassed_when_something_fails(tmp_path, speechlike):
    with pytest.raises(ModelError):
        RtDenoiseFilter(model=tmp_path / "absent.onnx")
    with pytest.raises(ParameterError, match="profile='dogs'"):
        RtDenoiseFilter(profile="dogs")
    with pytest.raises(ParameterError, match="attenuation_limit_db=-1"):
        RtDenoiseFilter(attenuation_limit_db=-1)
    audio_filter = RtDenoiseFilter()
    with pytest.raises(RtdenoiseError, match=r"not started: call start\(sample_rate\)"):
        asyncio.run(audio_filter.filter(b"\0\0"))
    with pytest.raises(ParameterError, match="sample_rate=3000"):
        asyncio.run(audio_filter.start(3000))
    heard, errors = run(blocks_of(speechlike(1000, 8000), 8000), 3000, audio_filter)
    assert not heard
    assert "sample_rate=3000 is not possible" in errors[0]


def test_odd_byte_counts_go_through_a_pipeline(speechlike):
    data = encode(speechlike(8000, 8000), S16LE)
    pieces = [data[i : i + 333] for i in range(0, len(data), 333)]
    heard, errors = run(pieces, 8000, RtDenoiseFilter())
    assert b"".join(heard) == PcmDenoiser(8000, profile="asr").process(data)
    assert all(len(block) % 2 == 0 for block in heard)
    assert not errors


def test_without_pipecat_it_says_what_to_install(monkeypatch):
    module = "rtdenoise.integrations.pipecat"
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pipecat.audio.filters.base_audio_filter", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'rtdenoise\[pipecat\]'"):
        importlib.import_module(module)
    with pytest.raises(ImportError):
        importlib.import_module(module)


def test_a_package_that_pipecat_misses_is_not_called_pipecat(monkeypatch):
    module = "rtdenoise.integrations.pipecat"
    for name in [name for name in sys.modules if name.startswith("pipecat")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "loguru", None)
    with pytest.raises(ModuleNotFoundError, match="loguru"):
        importlib.import_module(module)


EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "pipecat_file.py"


def test_the_example(tmp_path, speechlike, monkeypatch):
    rate = 16000
    data = encode(speechlike(rate, rate), S16LE)
    with wave.open(str(tmp_path / "noisy.wav"), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(data)
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    example = importlib.import_module(EXAMPLE.stem)
    asyncio.run(asyncio.wait_for(example.main(str(tmp_path / "noisy.wav"), str(tmp_path / "heard.wav")), 30))
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert file.readframes(rate) == PcmDenoiser(rate, profile="asr").process(data)
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setparams((2, 2, rate, 0, "NONE", ""))
    with wave.open(str(tmp_path / "slow.wav"), "wb") as file:
        file.setparams((1, 2, 3000, 0, "NONE", ""))
    for name, message in (
        ("stereo", "is no mono WAV of 16 bits"),
        ("none", "is no WAV that can be read .*No such file"),
        ("slow", "slow.wav: sample_rate=3000 is not possible"),
    ):
        with pytest.raises(SystemExit, match=message):
            asyncio.run(example.main(str(tmp_path / f"{name}.wav"), str(tmp_path / "heard.wav")))
