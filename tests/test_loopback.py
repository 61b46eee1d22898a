"""Hazard: a measured latency that is not the latency. Signals with known delays, and a cable between simulated ends."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.hop_timer import time_hops
from rtdenoise.live.loopback import chirps, find_delays, measure_loop

pytestmark = pytest.mark.alone

RATE = 48000


class Cable(SimulatedDevice):
    """Its microphone hears what its loudspeakers played."""

    def step(self, blocks=1, **how):
        for _ in range(blocks):
            super().step(1, **how)
            self._signal = self.heard


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_known_delay_is_found_to_the_sample(rate, noise):
    sent = chirps(rate, 3.0)
    for late in (0, 1, 777, rate * 44 // 100):
        heard = -0.3 * np.concatenate([np.zeros(late, np.float32), sent]) + 0.002 * noise(len(sent) + late)
        delays = find_delays(sent, heard.astype(np.float32), rate)
        assert delays.median_seconds == late / rate
        assert delays.spread_seconds == delays.lost == 0
        assert len(delays.seconds) >= 4


def test_what_does_not_come_back_is_counted_and_not_guessed(noise):
    sent = chirps(RATE, 5.0)
    assert find_delays(sent, 0.1 * noise(len(sent)), RATE).seconds == []
    silent = find_delays(sent, np.zeros_like(sent), RATE)
    assert silent.lost == 9
    assert np.isnan(silent.median_seconds)
    assert np.isnan(silent.spread_seconds)
    heard = sent.copy()
    heard[RATE : 2 * RATE] = 0
    assert (find_delays(sent, heard, RATE).lost, find_delays(sent[: RATE // 4], heard, RATE).seconds) == (2, [])


def test_a_clock_that_runs_away_is_a_drift_and_one_jump_is_none():
    sent = chirps(RATE, 20.0)
    time = np.arange(len(sent))
    heard = np.interp(time - 480 - time * 1e-4, time, sent).astype(np.float32)
    drift = find_delays(sent, heard, RATE).drift_seconds_per_minute
    assert drift == pytest.approx(60e-4, rel=0.05)
    jumped = np.concatenate([np.zeros(480), sent[: 17 * RATE], np.zeros(96), sent[17 * RATE :]]).astype(np.float32)
    assert find_delays(sent, jumped, RATE).drift_seconds_per_minute == 0
    assert find_delays(sent[:RATE], sent[:RATE], RATE).drift_seconds_per_minute == 0


def test_through_a_cable_the_latency_is_the_one_that_is_stated(identity):
    device = Cable(RATE)
    loop = measure_loop(device, device, 2.5, model=identity)
    assert loop.found
    assert loop.agrees
    # A block of each device, the reserve, the engine: the clock is the program's own, so it is exact.
    assert loop.delays.median_seconds == pytest.approx(loop.stated_seconds, abs=loop.block_seconds)
    assert loop.report["hops"] > 100


def test_without_a_cable_there_is_no_loop(identity):
    device = SimulatedDevice(RATE)
    loop = measure_loop(device, device, 2.0, model=identity)
    assert not loop.found
    assert not loop.agrees


@pytest.mark.parametrize("paced", [False, True])
def test_hops_are_timed_one_by_one(identity, paced):
    from rtdenoise import Denoiser

    times = time_hops(Denoiser(16000, identity), 40, paced=paced, priority=True)
    assert times.seconds.shape == (40,)
    assert (times.seconds > 0).all()
    assert times.deadline_seconds == 0.008
    assert times.misses == np.sum(times.seconds > 0.008)
    assert times.percentile(0) <= times.percentile(50) <= times.percentile(100) == times.seconds.max()
