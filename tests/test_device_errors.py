"""What the sound system refuses is said in the words of the person before it: which device, why, and what to do."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rtdenoise.errors import DeviceError
from rtdenoise.live import devices, streams
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.devices import DeviceInfo
from rtdenoise.live.session import Live

GONE = DeviceInfo(999, "headset that was unplugged", "ALSA", 1, 2, 48000)


class _NoPortAudio:
    """What importing sounddevice meets on a machine without the library."""

    def find_spec(self, name, path, target=None):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


def test_no_portaudio(monkeypatch):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_NoPortAudio(), *sys.meta_path])
    for platform, way_out in (("linux", "sudo apt install libportaudio2"), ("darwin", "reinstall")):
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(DeviceError, match=way_out):
            devices.portaudio()


@pytest.fixture
def portaudio():
    return pytest.importorskip("sounddevice", exc_type=OSError)


def test_a_device_that_is_gone_when_it_is_asked_for_its_rates(portaudio):
    with pytest.raises(DeviceError, match=r"input device 'headset that was unplugged' cannot be opened .*devices"):
        streams.agree_on_rate([(GONE, "input")])


def test_a_device_that_goes_between_asking_and_opening(portaudio, monkeypatch):
    monkeypatch.setattr(streams, "_accepted_channels", lambda *_: 1)
    with pytest.raises(DeviceError, match=r"output device 'headset that was unplugged' cannot be opened"):
        streams.DeviceStream(GONE, "output", 48000, 256, "low", lambda *_: None)


def test_a_device_that_another_program_takes_before_it_starts(portaudio):
    class Taken:
        def start(self):
            raise portaudio.PortAudioError("Error starting stream: Device unavailable", -9985)

    stream = streams.DeviceStream.__new__(streams.DeviceStream)
    stream._stream, stream._device, stream._kind = Taken(), GONE, "input"
    with pytest.raises(DeviceError, match=r"in use by another program or gone; close that program"):
        stream.start()


def test_windows_is_told_to_convert_the_rates_that_its_mixer_does_not_have(portaudio):
    assert streams._extra_settings(GONE) is None
    shared = streams._extra_settings(DeviceInfo(0, "Headset", "Windows WASAPI", 1, 2, 16000))
    assert shared._streaminfo.flags == portaudio._lib.paWinWasapiAutoConvert


def test_devices_without_a_rate_in_common(portaudio, monkeypatch):
    monkeypatch.setattr(streams, "_accepted_channels", lambda device, kind, rate: kind == "input")
    with pytest.raises(DeviceError, match=r"no sample rate in common \(tried 44100, 48000.*set 48000 Hz"):
        streams.agree_on_rate([(GONE, "input"), (GONE, "output")], wishes=[44100])


def test_a_device_that_stops_while_it_runs(leaky):
    device = SimulatedDevice(16000, np.zeros(16000, np.float32), paced=False)
    live = Live(device, device, model=leaky, on_device_loss="exit")
    with live:
        device.present = False
        with pytest.raises(DeviceError, match=r"'simulated device' has stopped: it was unplugged"):
            live.wait(1)
