"""A full disk, a file that is taken away, a kill: the sound goes on, and what was recorded before can be read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtdenoise.errors import AudioFileError
from rtdenoise.files.recording import open_recording
from rtdenoise.live import recorder as recorder_module
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.recorder import Recorder
from rtdenoise.live.session import Live

pytestmark = pytest.mark.live

resource = pytest.importorskip("resource")
RATE = 16000
SUFFIXES = (".wav", ".flac")


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def begins_like(path, samples):
    """How many samples a recording has; they are the first ones, to 24 bits."""
    recorded, _ = soundfile.read(path, dtype="float32")
    assert np.abs(recorded - samples[: len(recorded)]).max(initial=0) <= 2.0**-24
    return len(recorded)


@pytest.mark.parametrize("limit", [1, 60, 5000, 20001, 64000, 100000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_at_whatever_byte_the_disk_is_full_what_was_recorded_before_is_there(tmp_path, noise, suffix, limit):
    samples, path = 0.5 * noise(10 * RATE), tmp_path / f"a{suffix}"
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    file, taken = None, 0
    try:
        with pytest.raises(AudioFileError, match=r"a\.\w+ could not be written \(.*make room.*what was recorded"):  # noqa: PT012
            file = open_recording(path, RATE)
            for start in range(0, len(samples), 4000):
                file.write(samples[start : start + 4000])
                taken += 4000
                file.keep()
        if file is not None:
            try:
                file.close()
            except AudioFileError:
                file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    if taken > 4096:
        assert taken - 4097 <= begins_like(path, samples) <= taken + 4000
    else:
        assert not path.exists() or begins_like(path, samples) <= 4000


def test_a_rate_that_flac_does_not_know(tmp_path):
    with pytest.raises(AudioFileError, match=r"FLAC cannot hold 700000 Hz; record to .wav"):
        open_recording(tmp_path / "a.flac", 700_000)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written():
    with pytest.raises(AudioFileError, match=r"/proc/self/a.wav cannot be written: .*; choose a folder"):
        open_recording(Path("/proc/self/a.wav"), RATE)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_is_really_full_ends_the_recording_and_not_the_sound(identity, noise, small_disk, suffix):
    device, told = SimulatedDevice(RATE, 0.5 * noise(10 * RATE), paced=False), []
    recorder = Recorder(small_disk / f"in{suffix}", small_disk / f"out{suffix}")
    with Live(device, device, model=identity, recorder=recorder, tell=told.append) as live:
        for _ in range(100):
            device.step(25)  # a tenth of a second
            live.wait(0)
            time.sleep(0.01)
        assert not live.recording
    assert len(told) >= 2
    assert told[1].startswith("recording has ended after ")
    assert "0 MB are free there): make room or choose another folder; what was recorded before is in it" in told[1]
    assert suffix == ".flac" or "(No space left on device; " in told[1]
    assert live.stats.clean
    assert live.stats.samples_out == 2500 * device.block_length
    for name, sound in (("in", device._signal[:, 0]), ("out", device.heard[2 * device.block_length :, 0])):
        assert begins_like(small_disk / f"{name}{suffix}", sound) > RATE


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_removed_ends_the_recording(identity, noise, tmp_path, suffix):
    device, told = SimulatedDevice(RATE, 0.5 * noise(10 * RATE)), []
    names = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    with Live(device, device, model=identity, recorder=Recorder(*names), tell=told.append) as live:
        live.wait(0.4)
        names[0].unlink()
        live.wait(0.8)
        assert not live.recording
        assert len(told) == 2
        assert live.toggle_recording() == f"recording to {names[0]} and {tmp_path / f'out-2{suffix}'}"
        live.wait(0.2)
    assert "No such file" in told[1]
    assert len(soundfile.read(names[1])[0]) > 0.1 * RATE


def test_a_disk_that_hangs_hangs_neither_the_sound_nor_the_end(identity, tmp_path, monkeypatch):
    answer, told = threading.Event(), []

    class Stuck:
        path = tmp_path / "a.wav"

        def write(self, samples):
            answer.wait()

        def keep(self): ...

        def close(self): ...

    monkeypatch.setattr(recorder_module, "open_recording", lambda *arguments, **options: Stuck())
    monkeypatch.setattr(recorder_module, "_PATIENCE_SECONDS", 0.1)
    device = SimulatedDevice(RATE, np.ones(RATE), paced=False)
    recorder = Recorder(None, tmp_path / "a.wav")
    with Live(device, device, model=identity, recorder=recorder, tell=told.append) as live:
        device.step(100)
        time.sleep(0.4)
        device.step(100)
        assert live.stats.samples_out == 200 * device.block_length
    assert told[1] == f"recording to {tmp_path / 'a.wav'} is not complete: the disk does not answer"
    answer.set()
    time.sleep(0.1)


def wait_until(live, condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        live.wait(0.05)


def test_a_device_that_comes_back_is_recorded_on_in_time(identity, noise, tmp_path):
    device, told = SimulatedDevice(RATE, 0.5 * noise(10 * RATE)), []
    names = tmp_path / "in.wav", tmp_path / "out.wav"
    with Live(device, device, model=identity, recorder=Recorder(*names), tell=told.append) as live:
        live.wait(0.3)
        device.present = False
        wait_until(live, lambda: live.stats.device_losses == 1)
        live.wait(0.7)
        device.present = True
        wait_until(live, lambda: len(told) == 3)
        live.wait(0.5)
        assert live.recording
        captured = live.stats.samples_in
    before, after = (soundfile.read(name, dtype="float32")[0] for name in names)
    assert len(before) >= captured
    assert len(before) < captured + 0.2 * RATE, "the time without a device is left out"
    second = device.heard[2 * device.block_length :, 0]
    assert np.array_equal(after[-2000:], second[-2000:])
    correlation = np.correlate(after[-3000:], before[-3000:-1000])
    late = round((live.latency_parts["prefill"] + live.latency_parts["engine"]) * RATE / 1e3)
    assert int(np.argmax(correlation)) == pytest.approx(late, abs=2 * device.block_length)


def test_a_device_that_comes_back_at_another_rate_ends_it(identity, noise, tmp_path):
    device, told = SimulatedDevice(RATE, 0.5 * noise(10 * RATE)), []
    recorder = Recorder(tmp_path / "in.wav", tmp_path / "out.wav")
    with Live(device, device, model=identity, recorder=recorder, tell=told.append) as live:
        live.wait(0.3)
        device.present = False
        wait_until(live, lambda: live.stats.device_losses == 1)
        device.sample_rate = device._rate = 48000
        device.present = True
        wait_until(live, lambda: len(told) == 4)
        assert not live.recording
        assert live.toggle_recording() == f"recording to {tmp_path / 'in-2.wav'} and {tmp_path / 'out-2.wav'}"
        live.wait(0.2)
    ended = next(line for line in told if line.startswith("recording ended"))
    assert ended.endswith("the devices have other rates now")
    assert [soundfile.info(tmp_path / name).samplerate for name in ("in.wav", "in-2.wav")] == [16000, 48000]


SCRIPT = """
import sys
import numpy as np
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.recorder import Recorder
from rtdenoise.live.session import Live
device = SimulatedDevice(16000, 0.5 * np.random.default_rng(0).uniform(-1, 1, 160000).astype(np.float32))
with Live(device, device, model=sys.argv[1], recorder=Recorder(*sys.argv[2:4])) as live:
    print(live.recording, flush=True)
    live.wait(30)
"""


def test_after_a_kill_the_files_hold_what_was_kept(identity, noise, tmp_path):
    names = tmp_path / "in.wav", tmp_path / "out.flac"
    command = [sys.executable, "-c", SCRIPT, str(identity.path), *map(str, names)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"True\n"
    time.sleep(1.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert begins_like(names[0], 0.5 * noise(160000)) > 0.3 * RATE
    assert len(soundfile.read(names[1])[0]) > 0.3 * RATE
