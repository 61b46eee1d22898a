"""A device goes and comes back, at the same rate or another; what was asked for is what happens."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from rtdenoise.errors import DeviceError, ParameterError
from rtdenoise.live.clock import SimulatedDevice, SimulatedTime, run_together
from rtdenoise.live.session import Live

pytestmark = pytest.mark.live

RATE = 16000


class Listener:
    """A writer that remembers."""

    channels = 1

    def __init__(self, sample_rate=RATE):
        self.sample_rate, self.blocks = sample_rate, []

    def write(self, samples):
        self.blocks.append(samples.copy())

    def close(self): ...

    def abort(self): ...


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def tone(seconds, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wait_until(live, condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        live.wait(0.05)


def test_a_device_that_comes_back_goes_on_with_the_same_latency(identity):
    device, told = SimulatedDevice(RATE, tone(60)), []
    with Live(device, device, model=identity, tell=told.append) as live:
        live.wait(0.5)
        before, samples = live.latency_seconds, live.stats.samples_in
        device.present = False
        wait_until(live, lambda: live.stats.device_losses == 1)
        live.wait(0.5)
        assert live.latency_seconds == before
        device.present = True
        wait_until(live, lambda: len(told) == 2)
        wait_until(live, lambda: live.stats.samples_in > samples + RATE // 2)
        assert live.latency_seconds == before
    heard = device.heard[:, 0]  # of the second run
    # of the tone, 95 % are below this; a stall on a busy machine has rounded edges, which may be higher
    assert np.percentile(np.abs(heard[RATE // 8 :]), 95) == pytest.approx(0.5, abs=0.01)
    assert told[0] == (
        "sound device 'simulated device' has gone: it was unplugged, or the sound server ended; waiting for it"
    )
    assert told[1].startswith("it is back: simulated device -> simulated device, 16000 Hz")
    assert "devices    1 times lost and found" in live.end_lines()


def test_a_headset_that_comes_back_at_another_rate_is_taken_as_it_is(identity):
    device, told = SimulatedDevice(RATE, tone(60)), []
    with Live(device, device, model=identity, tell=told.append, attenuation_limit_db=9.0) as live:
        live.wait(0.3)
        device.present = False
        wait_until(live, lambda: live.stats.device_losses == 1)
        device.sample_rate, device._rate = 8000, 8000.0
        device.present = True
        wait_until(live, lambda: len(told) == 2)
        wait_until(live, lambda: live.stats.samples_in > 0.7 * 8000)
        assert live.sample_rate == live.denoiser.sample_rate == live.stats.sample_rate == 8000
        assert live.denoiser.attenuation_limit_db == 9.0
    assert "8000 Hz" in told[1]
    assert np.any(device.heard)


def test_a_recording_goes_on_when_the_microphone_is_back(identity):
    device, listener = SimulatedDevice(RATE, np.full(60 * RATE, 0.5, np.float32)), Listener()
    with Live(device, listener, model=identity) as live:
        live.wait(0.3)
        device.present = False
        wait_until(live, lambda: live.stats.device_losses == 1)
        device.present = True
        wait_until(live, lambda: live.stats.samples_in > RATE)
    written = np.concatenate(listener.blocks)[:, 0]
    assert len(written) == live.stats.samples_in == live.stats.samples_out
    assert np.mean(np.abs(written - 0.5) < 0.01) > 0.9


def test_to_wait_for_a_device_that_stays_away_can_be_ended(identity):
    device = SimulatedDevice(RATE, tone(10))
    with Live(device, device, model=identity) as live:
        live.wait(0.2)
        device.present = False
        wait_until(live, lambda: live.stats.device_losses == 1)
        assert live.wait(0.5) is False


def test_on_request_a_device_that_goes_is_the_end(identity):
    device = SimulatedDevice(RATE, tone(10))
    with Live(device, device, model=identity, on_device_loss="exit") as live:
        device.present = False
        with pytest.raises(DeviceError, match=r"'simulated device' has stopped: it was unplugged"):
            live.wait(1)


def test_a_device_that_falls_silent_has_gone(identity, monkeypatch):
    device = SimulatedDevice(RATE, tone(10))
    with Live(device, device, model=identity, on_device_loss="exit") as live:
        live.wait(0.2)
        monkeypatch.setattr(type(live._route._streams[0][1]), "calls", 7)
        begun = time.monotonic()
        with pytest.raises(DeviceError, match=r"'simulated device' has stopped"):
            live.wait(30)
        assert time.monotonic() - begun > 1.0


def test_anything_else_than_wait_and_exit_is_refused(identity):
    with pytest.raises(ParameterError, match="on_device_loss='retry' is not possible; give wait or exit"):
        Live(SimulatedDevice(RATE), None, model=identity, on_device_loss="retry")


def test_a_device_that_stops_as_it_starts_is_an_error(identity, monkeypatch):
    device = SimulatedDevice(RATE, paced=False)
    monkeypatch.setattr(device, "start", lambda: setattr(device, "present", False))
    with pytest.raises(DeviceError, match="'simulated device' has stopped at once; plug it in"):
        Live(device, device, model=identity).start()


def test_an_unplugged_device_cannot_be_started(identity):
    device = SimulatedDevice(RATE)
    device.present = False
    with pytest.raises(DeviceError, match="simulated device is unplugged"):
        Live(device, device, model=identity).start()


@pytest.mark.parametrize(("microphone", "speakers"), [(16000, 48000), (8000, 44100), (48000, 16000), (44100, 48000)])
def test_devices_of_two_rates_work_together(identity, microphone, speakers):
    clock, signal = SimulatedTime(), tone(6, microphone)
    signal[4 * microphone :] = 0
    signal[5 * microphone :] = 0.4
    source = SimulatedDevice(microphone, signal, paced=False, time=clock)
    sink = SimulatedDevice(speakers, paced=False, time=clock)
    with Live(source, sink, model=identity) as live:
        run_together(5.5, source, sink)
        late = live.latency_seconds
        assert (live.sample_rate, live.sink_rate) == (microphone, speakers)
        assert live.stats.clean, live.stats.as_dict()
        assert f"{microphone} Hz -> {speakers} Hz" in live.start_line()
    part = slice(speakers, 4 * speakers)
    heard, times = sink.heard[part, 0], np.arange(len(sink.heard))[part] / speakers
    shape = np.stack([np.sin(2 * np.pi * 440 * times), np.cos(2 * np.pi * 440 * times)], axis=1)
    weights = np.linalg.lstsq(shape, heard, rcond=None)[0]
    assert np.hypot(*weights) == pytest.approx(0.5, abs=0.002)
    assert np.max(np.abs(heard - shape @ weights)) < 0.005
    step = 4.5 + np.argmax(sink.heard[round(4.5 * speakers) :, 0] > 0.2) / speakers
    assert step - 5.0 == pytest.approx(late, abs=0.009)  # a block at 48 kHz is 5 ms, at 8 kHz 4
