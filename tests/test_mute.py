"""Hazard: muting clicks, comes out otherwise when blocks are cut otherwise, or the sound returns at another latency."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.mute import Mute
from rtdenoise.live.session import Live

RATE = 16000
FADE = 320  # 20 ms


def tone(n):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE)).astype(np.float32)


def switched(block, switches, samples):
    """A stream that is cut into blocks; muted and back after so many samples."""
    mute, out = Mute(RATE), []
    for i in range(0, len(samples), block):
        if i in switches:
            mute.muted = not mute.muted
        out.append(mute.apply(samples[i : i + block]))
    return np.concatenate(out)


@pytest.mark.parametrize("block", [1, 7, 100, 350])
def test_blocks_make_no_difference(block):
    samples = tone(7 * 2100)
    assert np.array_equal(switched(block, {2100, 4200, 6300}, samples), switched(2100, {2100, 4200, 6300}, samples))


def test_silence_is_silent_and_sound_is_untouched():
    samples = tone(3 * RATE)
    out = switched(1000, {16000, 32000}, samples)
    assert np.array_equal(out[:16000], samples[:16000])
    assert not out[16000 + FADE : 32000].any()
    assert np.array_equal(out[32000 + FADE :], samples[32000 + FADE :])


@pytest.mark.parametrize("switches", [{1000}, {1000, 1100}, {1000, 1100, 1200}, {1000, 2000}])
def test_no_click_even_when_it_is_turned_back_half_way(switches):
    """A click is a step: no two neighbours differ by more than those of the tone itself, and the fade's own slope."""
    samples = tone(4000)
    out = switched(100, switches, samples)
    assert np.abs(np.diff(out)).max() < np.abs(np.diff(samples)).max() + 0.5 * np.pi / 2 / FADE
    assert not np.array_equal(out, samples)


def test_empty_blocks_and_a_stream_that_begins_in_silence():
    mute = Mute(RATE, muted=True)
    assert not mute.apply(tone(100)).any()
    mute.muted = False
    assert len(mute.apply(tone(0))) == 0
    assert np.array_equal(mute.apply(tone(1000))[FADE:], tone(1000)[FADE:])


def test_live_is_silent_and_goes_on_at_the_same_latency(leaky, noise):
    """To the bit what it is without: before, and a fade after it was unmuted."""
    device = SimulatedDevice(RATE, 0.5 * noise(3 * RATE), paced=False)
    seconds = RATE // 64  # of blocks
    with Live(device, device, model=leaky) as live:
        device.step(seconds)
        assert not live.muted
        live.muted = True
        device.step(seconds)
        assert live.stats.output_level.rms_db < -25
        assert live.muted
        live.muted = False
        device.step(seconds)
        late = round((live.latency_seconds - live.denoiser.latency_seconds) * RATE)
    engine = Denoiser(RATE, live.denoiser.model)
    expected = np.concatenate([np.zeros(late, np.float32), engine.process(device._signal[:, 0])])
    heard, slack = device.heard[:, 0], FADE + late + 128
    assert np.array_equal(heard[:RATE], expected[:RATE])
    assert not heard[RATE + slack : 2 * RATE].any()
    assert np.array_equal(heard[2 * RATE + slack :], expected[2 * RATE + slack : len(heard)])
    assert heard[2 * RATE + slack :].any()
    assert live.stats.clean


def test_it_stays_muted_when_a_device_comes_back(leaky, noise):
    device = SimulatedDevice(RATE, 0.5 * noise(RATE), paced=False)
    with Live(device, device, model=leaky) as live:
        live.muted = True
        again = live._lay_route_anew()
        device.step(RATE // 64)
        assert live.muted
        again.stop()
    assert not device.heard.any()


def test_the_understudy_is_muted_too(leaky, noise):
    """What steps in for an engine that fails passes the same gate."""
    device = SimulatedDevice(RATE, 0.5 * noise(RATE), paced=False)
    with Live(device, device, model=leaky) as live:
        live.muted = True
        device.step(10)
        live.denoiser.process = None  # from now on it raises
        device.step(4)
        del live.denoiser.process
        device.step(4)
        assert live.stats.engine_failures
        assert live.stats.dry_samples
        assert not device.heard[640:].any()
