"""Who is warned of howling: a microphone and loudspeakers in one room, and nobody else."""

from __future__ import annotations

import pytest

from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.devices import DeviceInfo
from rtdenoise.live.feedback import may_howl
from rtdenoise.stats import Stats


def device(name):
    return DeviceInfo(0, name, "ALSA", 2, 2, 48000)


@pytest.mark.parametrize(
    ("source", "sink", "natures", "warned"),
    [
        ("HDA Intel PCH: ALC257 Analog", "HDA Intel PCH: ALC257 Analog", {}, True),
        ("default", "default", {"input": "unknown", "output": "unknown"}, True),
        ("default", "default", {"input": "unknown", "output": "headphones"}, False),
        ("default", "default", {"input": "virtual", "output": "unknown"}, False),
        ("Built-in Microphone", "AirPods Pro", {}, False),
        ("USB Webcam", "CABLE Input (VB-Audio Virtual Cable)", {}, False),
        ("MacBook Pro Microphone", "BlackHole 2ch", {}, False),
        ("Monitor of Built-in Audio", "Built-in Audio", {}, False),
    ],
)
def test_who_is_warned(source, sink, natures, warned):
    assert may_howl(device(source), device(sink), natures) is warned


def test_files_and_simulated_devices_do_not_howl():
    assert not may_howl(SimulatedDevice(16000), device("speakers"), {})
    assert not may_howl(device("mic"), None, {})


def test_counters_keep_their_meaning_when_a_device_comes_back_at_another_rate():
    stats = Stats(48000, 0.008)
    stats.samples_in, stats.underrun_samples, stats.dry_samples = 48000, 4800, 24000
    stats.change_rates(16000, 8000)
    assert (stats.samples_in, stats.underrun_samples, stats.overload_seconds) == (16000, 800, 0.5)
    assert "(100.0 ms)" in "\n".join(stats.lines())
