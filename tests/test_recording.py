"""Recordings beside the running sound hold it to the sample, lie in time with each other, and never replace one."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtdenoise import Denoiser
from rtdenoise.errors import AudioFileError, ParameterError
from rtdenoise.files.audio_file import FileReader, FileWriter
from rtdenoise.live.clock import SimulatedDevice, SimulatedTime, run_together
from rtdenoise.live.recorder import Recorder
from rtdenoise.live.session import Live
from rtdenoise.live.track import Tap, Track

pytestmark = pytest.mark.live

RATE = 16000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, and no thread that outlives a recording."""
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    yield tmp_path
    assert threading.active_count() == before


def read(path):
    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate


def half_a_step(suffix):
    """How far a sample may be off: not at all, or by the rounding to 24 bits."""
    return 0.0 if suffix == ".wav" else 2.0**-24


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_both_ends_to_the_sample(leaky, noise, suffix):
    device = SimulatedDevice(RATE, 0.5 * noise(3 * RATE), paced=False)
    told = []
    recorder = Recorder(f"in{suffix}", f"out{suffix}")
    with Live(device, device, model=leaky, recorder=recorder, tell=told.append) as live:
        assert live.recording
        device.step(500)
    assert not live.recording
    count = 500 * device.block_length
    before, rate = read(f"in{suffix}")
    after, rate_after = read(f"out{suffix}")
    assert rate == rate_after == RATE
    assert len(before) == len(after) == count
    assert np.abs(before - device._signal[:count, 0]).max() <= half_a_step(suffix)
    assert np.abs(after - device.heard[2 * device.block_length :, 0]).max() <= half_a_step(suffix)
    # One from the other by file mode: the output lies later by what the rings and the engine take.
    late = round((live.latency_parts["prefill"] + live.latency_parts["engine"]) * RATE / 1e3)
    engine = Denoiser(RATE, leaky)
    expected = engine.process(before)[engine.latency :]
    assert np.abs(after[late:] - expected[: count - late]).max() <= 4 * half_a_step(suffix)
    assert told == [
        f"recording to in{suffix} and out{suffix}",
        f"recording ended: 2.0 s in in{suffix} and out{suffix}",
    ]
    assert live.report()["recordings"] == [
        {"input": f"in{suffix}", "output": f"out{suffix}", "seconds": 2.0, "lost_seconds": 0.0, "failure": None}
    ]


def test_a_key_starts_and_stops_it_in_the_midst_and_nothing_is_replaced(identity, noise, folder):
    device = SimulatedDevice(RATE, 0.5 * noise(4 * RATE), paced=False)
    live = Live(device, device, model=identity)
    assert live.toggle_recording() is None
    with live:
        device.step(100)
        assert not live.recording
        for _ in range(2):
            begun = live.toggle_recording()
            assert re.fullmatch(r"recording to rtdenoise-\d{8}-\d{6}-input(-2)?.flac and rtdenoise-.*output.*", begun)
            device.step(100)
            assert live.recording
            ended = live.toggle_recording()
            assert re.fullmatch(r"recording ended: 0.4 s in rtdenoise-.*", ended)
            device.step(100)
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 4
    recordings = live.report()["recordings"]
    for number, recording in enumerate(recordings):
        start = (100 + 200 * number) * device.block_length
        before, after = read(recording["input"])[0], read(recording["output"])[0]
        assert np.abs(before - device._signal[start : start + len(before), 0]).max() <= 2.0**-24
        assert np.abs(after - device.heard[start + 2 * device.block_length :][: len(after), 0]).max() <= 2.0**-24
        assert len(before) == len(after) == 100 * device.block_length


def test_a_name_that_was_given_is_for_the_first_recording_only(identity, folder):
    Path("out.wav").write_bytes(b"old")
    device = SimulatedDevice(RATE, np.ones(RATE), paced=False)
    with Live(device, device, model=identity, recorder=Recorder(None, "out.wav", force=True)) as live:
        device.step(50)
        live.toggle_recording()
        assert live.toggle_recording() == "recording to out-2.wav"
        device.step(20)
        live.toggle_recording()
        assert live.toggle_recording() == "recording to out-3.wav"
    lengths = [soundfile.info(name).frames // device.block_length for name in ("out.wav", "out-2.wav")]
    assert lengths == [50, 20]
    assert not Path("out-3.wav").exists(), "no sound came"
    assert live.report()["recordings"][2]["seconds"] == 0


def test_names_that_cannot_be(folder):
    Path("old.wav").write_bytes(b"old")
    Path("folder.wav").mkdir()
    for names, kind, message in (
        (("a.mp3", None), ParameterError, r"a.mp3 cannot be recorded to.*\.wav or \.flac"),
        ((None, "a"), ParameterError, r"\.wav or \.flac"),
        (("old.wav", None), AudioFileError, "exists and was left as it is; --force replaces it"),
        (("no/a.wav", None), AudioFileError, "there is no folder no"),
        ((None, "folder.wav"), AudioFileError, "not a regular file"),
    ):
        with pytest.raises(kind, match=message):
            Recorder(*names)
    assert Path("old.wav").read_bytes() == b"old"


def test_a_file_that_appears_meanwhile_is_left_alone(identity, folder):
    device = SimulatedDevice(RATE, np.ones(RATE), paced=False)
    live = Live(device, device, model=identity, recorder=Recorder("a.wav", "b.wav"))
    Path("b.wav").write_bytes(b"somebody's")
    with pytest.raises(AudioFileError, match=r"b.wav exists"):
        live.start()
    assert [path.name for path in folder.iterdir()] == ["b.wav"]
    assert Path("b.wav").read_bytes() == b"somebody's"
    assert not live.recording


def test_a_key_in_a_folder_where_nothing_can_be_made_says_so_and_the_sound_goes_on(identity, folder):
    (folder / "gone").mkdir()
    device = SimulatedDevice(RATE, np.ones(RATE), paced=False)
    recorder = Recorder("gone/a.wav")
    with Live(device, device, model=identity, recorder=recorder) as live:
        live.toggle_recording()
        (folder / "gone").rmdir()
        said = live.toggle_recording()
        assert said.startswith("no recording: ")
        assert "there is no folder gone; make it first" in said
        assert not live.recording
        device.step(100)
    assert live.stats.samples_out == 100 * device.block_length


def test_two_rates(identity, noise):
    time = SimulatedTime()
    microphone = SimulatedDevice(48000, 0.5 * noise(96000), paced=False, time=time)
    speakers = SimulatedDevice(44100, paced=False, time=time)
    with Live(microphone, speakers, model=identity, recorder=Recorder("in.wav", "out.wav")):
        run_together(1.5, microphone, speakers)
    before, rate = read("in.wav")
    after, rate_after = read("out.wav")
    assert (rate, rate_after) == (48000, 44100)
    assert np.array_equal(before, microphone._signal[: len(before), 0])
    assert np.array_equal(after[-20000:], speakers.heard[-20000:, 0])
    assert abs(len(before) / rate - len(after) / rate_after) < 0.01


@pytest.mark.parametrize("stalled", ["capture", "play"])
def test_a_device_that_stands_still_gets_silence_so_that_both_stay_in_time(identity, noise, stalled):
    device = SimulatedDevice(RATE, 0.5 * noise(6 * RATE), paced=False)
    with Live(device, device, model=identity, recorder=Recorder("in.wav", "out.wav")) as live:
        device.step(250)
        for _ in range(3):
            device.step(30, **{stalled: False})
            device.step(250)
        assert live.stats.latency_corrections >= 3
        late = round((live.latency_parts["prefill"] + live.latency_parts["engine"]) * RATE / 1e3)
    before, after = read("in.wav")[0], read("out.wav")[0]
    assert abs(len(before) - len(after)) <= 2 * device.block_length
    assert abs(len(before) - 1090 * device.block_length) <= 2 * device.block_length
    correlation = np.correlate(after[-8000:], before[-8000:-4000])
    assert int(np.argmax(correlation)) == pytest.approx(late, abs=2 * device.block_length)
    assert correlation.max() > 0.9 * np.dot(before[-8000:-4000], before[-8000:-4000])


def test_files_at_the_ends(leaky, noise):
    samples = 0.5 * noise(RATE)
    soundfile.write("in.wav", samples, RATE, subtype="FLOAT")
    device = SimulatedDevice(RATE, paced=False)
    with Live(FileReader("in.wav"), device, model=leaky, recorder=Recorder("a.wav", "b.wav")) as live:
        while not live.wait(0):
            device.step()
    assert np.array_equal(read("a.wav")[0], samples)
    played = np.trim_zeros(device.heard[:, 0])
    assert np.array_equal(np.trim_zeros(read("b.wav")[0]), played)
    device = SimulatedDevice(RATE, samples)
    writer = FileWriter("out.wav", RATE, 1, like="FLOAT")
    with Live(device, writer, model=leaky, recorder=Recorder("c.wav", "d.wav")) as live:
        live.wait(0.4)
    writer.close()
    assert np.array_equal(np.trim_zeros(read("d.wav")[0]), np.trim_zeros(read("out.wav")[0]))
    assert np.array_equal(read("c.wav")[0], samples[: live.stats.samples_in])


class Slow:
    """A file on a disk that answers when it is told to."""

    path = Path("slow.wav")

    def __init__(self):
        self.written = np.zeros(0, np.float32)
        self.answer = threading.Event()
        self.answer.set()

    def write(self, samples):
        self.answer.wait()
        self.written = np.append(self.written, samples)

    def keep(self): ...

    def close(self): ...


def test_what_a_slow_disk_loses_is_silence_of_the_same_length(noise):
    track = Track(Slow(), 1000)
    sound, room = 0.5 + np.abs(noise(30000)), 8192
    for start in range(0, 20000, 300):
        track.take(sound[start : start + 300])
    assert track.lost == 20100 - room
    track.drain()
    track.take(sound[20100:20400])
    track.drain()
    for start in range(20400, 30000, 300):
        track.take(sound[start : start + 300])
    track.finish()
    written = track.file.written
    assert len(written) == track.position == 30000
    lost = np.zeros(30000, bool)
    lost[room:20100] = lost[20100 + 300 + room - 0 :] = True
    assert np.array_equal(written[~lost], sound[~lost])
    assert not written[lost].any()
    assert track.lost == lost.sum()


def test_breaks_are_left_out_of_both_and_they_stay_in_time():
    heard = Track(Slow(), 1000)
    played = Track(Slow(), 500, heard)

    def take(track, value, count):
        track.take(np.full(count, value, np.float32))

    take(played, 9, 50)  # before the input has begun
    take(heard, 1, 100)
    take(heard, 2, 100)
    take(played, 3, 50)  # it ends now, 0.2 s after the start
    take(heard, 4, 100)
    take(played, 5, 250)  # plays on for half a second while the other is dead
    for track in (heard, played):
        track.interrupt()
    take(played, 9, 50)
    take(heard, 6, 100)
    take(played, 7, 50)
    for track in (heard, played):
        track.finish()
    expected = [(1, 100), (2, 100), (4, 100), (0, 400), (6, 100)]
    assert np.array_equal(heard.file.written, np.concatenate([np.full(count, value) for value, count in expected]))
    expected = [(0, 50), (3, 50), (5, 250), (7, 50)]
    assert np.array_equal(played.file.written, np.concatenate([np.full(count, value) for value, count in expected]))
    assert heard.seconds == played.seconds == 0.8


def test_a_tap_without_a_track_costs_nothing():
    Tap().take(np.zeros(3, np.float32))
    assert Recorder().stop() is None
