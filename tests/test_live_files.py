"""Live with a file or pipe at one end: nothing lost, nothing added, aligned, paced by the other end."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from rtdenoise import Denoiser, denoise
from rtdenoise.errors import AudioFileError
from rtdenoise.files.audio_file import FileReader, FileWriter
from rtdenoise.files.pipes import PipeReader, RawFormat
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.session import Live

pytestmark = pytest.mark.live

RATE = 16000


class ListReader:
    """Gives prepared blocks, whatever is asked for, as a pipe may."""

    channels, frames = 1, None

    def __init__(self, blocks, sample_rate=RATE):
        self.blocks, self.sample_rate = list(blocks), sample_rate

    def read(self, n):
        block = self.blocks.pop(0) if self.blocks else np.zeros(0, np.float32)
        return block[:, np.newaxis]

    def check_end(self): ...

    def close(self): ...


def wav(path, samples, rate=RATE):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def play_all(device, live):
    """Let the clock run until everything was played; returns the mono sound."""
    for _ in range(5000):
        device.step()
        if live.wait(0):
            return device.heard[:, 0]
    raise AssertionError("the end never came")


def place(heard, expected):
    """Where ``expected`` lies in ``heard``, bit by bit."""
    start = int(np.flatnonzero(heard)[0] - np.flatnonzero(expected)[0])
    assert np.array_equal(heard[start : start + len(expected)], expected)
    return start


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.7])
@pytest.mark.parametrize("latency", ["low", "high"])
def test_a_file_is_played_from_its_first_to_its_last_sample(leaky, noise, tmp_path, seconds, latency):
    samples = noise(round(seconds * RATE))
    device = SimulatedDevice(RATE, paced=False)
    with Live(FileReader(wav(tmp_path / "in.wav", samples)), device, model=leaky, latency=latency) as live:
        heard = play_all(device, live)
    engine = Denoiser(RATE, leaky)
    expected = np.concatenate([engine.process(samples), engine.flush()])
    place(heard, expected)
    assert live.stats.samples_in == len(samples)
    assert live.stats.samples_out == len(expected)
    assert live.stats.clean


def test_a_file_is_read_no_faster_than_it_is_played(identity, noise, tmp_path):
    device = SimulatedDevice(RATE, paced=False)
    with Live(FileReader(wav(tmp_path / "in.wav", noise(10 * RATE))), device, model=identity) as live:
        device.step(RATE // 64)
        assert RATE <= live.stats.samples_in <= 1.1 * RATE


def test_a_file_with_channels_is_downmixed(identity, noise, tmp_path):
    samples = np.stack([noise(RATE, 1), noise(RATE, 2)], axis=1)
    device = SimulatedDevice(RATE, paced=False)
    with Live(FileReader(wav(tmp_path / "in.wav", samples)), device, model=identity) as live:
        heard = play_all(device, live)
    engine = Denoiser(RATE, identity)
    place(heard, engine.process(samples.mean(axis=1)))


def test_a_file_of_another_rate_is_converted_for_the_device(identity, tmp_path):
    tone = (0.5 * np.sin(2 * np.pi * 1000 / 44100 * np.arange(44100))).astype(np.float32)
    device = SimulatedDevice(RATE, paced=False)
    with Live(FileReader(wav(tmp_path / "in.wav", tone, 44100)), device, model=identity) as live:
        heard = play_all(device, live)
    assert live.stats.samples_in == RATE
    spectrum = np.abs(np.fft.rfft(heard[4000:12000]))
    assert np.argmax(spectrum) * RATE / 8000 == 1000
    assert spectrum.max() / 4000 == pytest.approx(0.5, rel=0.01)


def test_a_pipe_that_brings_uneven_pieces_loses_nothing(leaky, noise):
    samples = noise(20_000)
    pieces = np.split(samples, [1, 2, 700, 701, 5000, 5001, 13000])
    device = SimulatedDevice(RATE, paced=False)
    with Live(ListReader(pieces), device, model=leaky) as live:
        heard = play_all(device, live)
    engine = Denoiser(RATE, leaky)
    place(heard, np.concatenate([engine.process(samples), engine.flush()]))
    assert live.stats.clean


def test_a_slow_source_is_an_underrun_that_loses_nothing(leaky, noise, tmp_path):
    samples = noise(RATE)
    device = SimulatedDevice(RATE, paced=False)
    with Live(FileReader(wav(tmp_path / "in.wav", samples)), device, model=leaky) as live:
        device.step(100)
        device.step(40, work=False)
        heard = play_all(device, live)
    assert live.stats.underruns == 1
    assert live.stats.underrun_samples > 0
    assert live.stats.late_samples == live.stats.dropped_samples == 0
    engine = Denoiser(RATE, leaky)
    expected = np.concatenate([engine.process(samples), engine.flush()])
    assert np.array_equal(heard[heard != 0], expected[expected != 0])


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (16000, 2), (44100, 1), (48000, 1)])
def test_a_recording_is_aligned_with_the_device_and_as_long(leaky, noise, tmp_path, rate, channels):
    signal = noise(2 * rate)
    device = SimulatedDevice(rate, signal, paced=False)
    writer = FileWriter(tmp_path / "out.wav", rate, channels, like="FLOAT")
    with Live(device, writer, model=leaky) as live:
        device.step(1 * rate // device.block_length)
        taken = live.stats.samples_in
        # Driven by hand there is no thread that ends the recording.
        while live._route._worker.step():
            pass
        live._route._worker._finish()
    writer.close()
    recorded, recorded_rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert recorded_rate == rate
    assert recorded.shape == (taken, channels)
    for channel in range(channels):
        assert np.array_equal(recorded[:, channel], denoise(signal[:taken], rate, leaky))
    assert live.stats.samples_out == taken
    assert live.stats.clean


def test_a_recording_at_another_rate_than_the_device_is_converted(identity, tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 / RATE * np.arange(2 * RATE))
    device = SimulatedDevice(RATE, tone, paced=True)
    writer = FileWriter(tmp_path / "out.wav", 48000, 1, like="FLOAT")
    with Live(device, writer, model=identity) as live:
        live.wait(1.0)
    writer.close()
    recorded, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == 48000
    assert len(recorded) == 3 * live.stats.samples_in
    expected = 0.5 * np.sin(2 * np.pi * 440 / 48000 * np.arange(len(recorded)))
    assert np.abs(recorded - expected)[4800:-4800].max() < 1e-3


def test_a_recording_ends_with_the_last_sample_before_the_stop(identity, noise, tmp_path):
    signal = noise(10 * RATE)
    device = SimulatedDevice(RATE, signal)
    writer = FileWriter(tmp_path / "out.wav", RATE, 1, like="FLOAT")
    with Live(device, writer, model=identity) as live:
        live.wait(0.7)
    writer.close()
    recorded, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert len(recorded) == live.stats.samples_in >= 0.5 * RATE
    assert np.array_equal(recorded, denoise(signal[: len(recorded)], RATE, identity))


def test_from_file_to_file_nothing_waits_for_a_clock(leaky, noise, tmp_path):
    samples = noise(30 * RATE)
    writer = FileWriter(tmp_path / "out.wav", RATE, 1, like="FLOAT")
    with Live(FileReader(wav(tmp_path / "in.wav", samples)), writer, model=leaky) as live:
        assert live.wait(60) is True
    writer.close()
    assert np.array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], denoise(samples, RATE, leaky))
    assert live.latency_parts == pytest.approx({"device_in": 0, "prefill": 0, "engine": 16, "device_out": 0})


def test_a_device_into_nothing_is_counted(identity, noise):
    device = SimulatedDevice(RATE, noise(RATE), paced=False)
    with Live(device, None, model=identity) as live:
        device.step(250)
        assert (live.stats.samples_in, live.stats.samples_out) == (16000, 16000 - 256 + 128)
    assert live.start_line().startswith("simulated device -> none, 16000 Hz")


def test_a_source_that_breaks_off_is_told_at_the_end(identity):
    reader = PipeReader(io.BytesIO(b"\0" * 3201), RawFormat(RATE))
    # A source as short as this may be at its end before the start is over.
    with pytest.raises(AudioFileError), Live(reader, None, model=identity) as live:
        live.wait(10)
