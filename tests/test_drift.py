"""Clocks that differ: noticed, made good without a click, and only then; what jumps is no clock."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser
from rtdenoise.live.clock import SimulatedDevice, SimulatedTime, run_together
from rtdenoise.live.drift import LARGEST_CORRECTION, DriftController
from rtdenoise.live.fractional import FractionalResampler, interpolate, interpolate_numpy, sinc_table
from rtdenoise.live.session import Live

pytestmark = pytest.mark.live

RATE = 16000


def tone(seconds, hz=440.0, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def pair(signal, microphone_ppm=0.0, speakers_ppm=0.0, rate=RATE):
    """A microphone and loudspeakers with a clock each."""
    time = SimulatedTime()
    microphone = SimulatedDevice(rate, signal, paced=False, drift_ppm=microphone_ppm, time=time)
    return microphone, SimulatedDevice(rate, paced=False, drift_ppm=speakers_ppm, time=time)


def frequency_hz(samples, rate=RATE):
    """Of a pure tone, from the phase's slope."""
    time = np.arange(len(samples)) / rate
    product = samples * np.exp(-2j * np.pi * 440.0 * time)
    means = product[: len(product) // 400 * 400].reshape(-1, 400).mean(axis=1)
    return 440.0 + np.polyfit(np.arange(len(means)) * 400 / rate, np.unwrap(np.angle(means)), 1)[0] / (2 * np.pi)


@pytest.mark.parametrize("ppm", [300.0, -300.0])
def test_ten_minutes_with_clocks_that_differ_lose_nothing_and_keep_the_level(identity, ppm):
    microphone, speakers = pair(tone(605), speakers_ppm=ppm)
    with Live(microphone, speakers, model=identity, latency=200) as live:
        block_ms = live.report()["block_length"] / RATE * 1e3
        wanted = live.latency_parts["prefill"]
        levels, corrections = [], []
        for _ in range(60):
            run_together(10.0, microphone, speakers)
            levels.append(live.latency_parts["prefill"])
            corrections.append(live.stats.drift_ppm)
        assert live.stats.clean
        assert live.stats.drift_corrections > 500
    assert max(abs(level - wanted) for level in levels) <= 1.5 * block_ms
    assert np.mean(corrections[30:]) == pytest.approx(-ppm, abs=10)
    assert max(map(abs, corrections)) <= LARGEST_CORRECTION * 1e6
    heard = speakers.heard[:, 0]
    assert np.max(np.abs(np.diff(heard[RATE:]))) < 1.02 * 0.5 * 2 * np.pi * 440 / RATE  # no click anywhere
    for start in range(5, 595, 30):  # in the loudspeakers' own samples the tone is off by the clocks' ratio, no more
        off = frequency_hz(heard[start * RATE : (start + 5) * RATE]) / 440.0 - 1.0
        assert abs(off) < 1e-3
    assert off * 1e6 == pytest.approx(-ppm, abs=30)


def test_clocks_that_agree_leave_every_bit_alone(leaky, noise):
    signal = 0.5 * noise(60 * RATE)
    microphone, speakers = pair(signal)
    with Live(microphone, speakers, model=leaky) as live:
        run_together(59.0, microphone, speakers)
        late = round((live.latency_seconds - live.denoiser.latency_seconds) * RATE)
        assert live.stats.clean
        assert live.stats.drift_corrections == 0
    heard, expected = speakers.heard[late:, 0], Denoiser(RATE, leaky).process(signal)
    assert np.array_equal(heard[: 58 * RATE], expected[: 58 * RATE])


@pytest.mark.parametrize("ppm", [20.0, -60.0, 900.0])
def test_the_controller_settles_on_the_drift_and_brings_the_level_back(ppm):
    controller, level, levels = DriftController(48000, 256), 500.0, []
    jitter = np.random.default_rng(1).uniform(-20, 20, 4000)
    for i in range(4000):
        level += 0.2 * 48000 * (ppm * 1e-6 - controller.correction)
        controller.observe(level + jitter[i], 0.2)
        levels.append(level)
    assert controller.noticed
    assert controller.correction == pytest.approx(ppm * 1e-6, abs=30e-6)
    assert abs(levels[-1] - 500.0) < 64
    assert max(levels) - min(levels) < 256


def test_what_jumps_or_jitters_is_no_drift():
    controller, generator = DriftController(48000, 256), np.random.default_rng(2)
    level = 500.0
    for i in range(3000):
        if i % 97 == 0:
            level += generator.choice([-200.0, 200.0])
        controller.observe(level + generator.uniform(-40, 40), 0.2)
    assert not controller.noticed
    assert controller.correction == 0.0


@pytest.mark.parametrize("step", [70.0, -90.0, 120.0])
@pytest.mark.parametrize("when", [2.4, 3.0, 4.5, 30.0])
def test_a_small_step_is_no_drift(step, when):
    """Less than a jump, and spread over two of the seconds that are compared."""
    controller, generator = DriftController(48000, 256), np.random.default_rng(3)
    for i in range(1000):
        level = 500.0 + step * np.clip((0.2 * i - when) / 0.4, 0.0, 1.0)
        controller.observe(level + generator.uniform(-15, 15), 0.2)
    assert not controller.noticed


@pytest.mark.parametrize("jump", [150.0, -250.0, 2000.0])
def test_a_jump_after_drift_was_noticed_changes_no_pitch(jump):
    controller, level = DriftController(48000, 256), 500.0
    for i in range(2000):
        level += 0.2 * 48000 * (100e-6 - controller.correction) + (jump if i == 1500 else 0.0)
        controller.observe(level, 0.2)
        if i > 1000:
            assert controller.correction == pytest.approx(100e-6, abs=5e-6)
    assert level == pytest.approx(500.0 + jump, abs=16)


def test_a_level_that_was_set_from_outside_is_the_one_to_hold():
    controller, level = DriftController(48000, 256), 500.0
    for i in range(2000):
        if i == 1000:
            controller.restart()
            level += 300.0
        level += 0.2 * 48000 * (100e-6 - controller.correction)
        controller.observe(level, 0.2)
    assert level == pytest.approx(800, abs=16)


def test_a_resampler_that_starts_late_starts_without_a_seam(noise):
    samples = noise(5000)
    resampler = FractionalResampler()
    resampler.remember(samples[:100])
    resampler.remember(samples[100:1000])
    made = np.concatenate([resampler.convert(samples[start : start + 128]) for start in range(1000, 5000, 128)])
    assert np.array_equal(made, samples[1000 : 1000 + len(made)])
    assert len(made) == 4000 - resampler.reach


@pytest.mark.parametrize("step", [1.0 + 3e-4, 1.0 - 1e-3, 3.0, 1 / 3, 16000 / 44100, 2.0, 0.5])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_tone_is_the_same_tone_whatever_the_step_and_the_blocks(step, share):
    cycles = share * 0.5 * min(1.0, 1.0 / step)  # for each input sample; as a share of what both rates can carry
    samples = np.sin(2 * np.pi * cycles * np.arange(20000)).astype(np.float32)
    for block in (1, 100, 4096):
        resampler = FractionalResampler(step)
        made = np.concatenate([resampler.convert(samples[i : i + block]) for i in range(0, len(samples), block)])
        if block == 1:
            first = made
    assert np.allclose(made, first, atol=1e-6)
    expected = np.sin(2 * np.pi * cycles * step * np.arange(len(made)))
    assert snr_db(expected[500:-500], made[500:-500]) > 78
    assert resampler.behind == pytest.approx(20000 - len(made) * step, abs=1e-6)


@pytest.mark.parametrize("step", [1.0, 1.0003, 3.0, 1 / 3])
def test_skipping_keeps_the_count(step):
    resampler, taken, made = FractionalResampler(step), 0, 0
    for count in (500, 3, 1000, 37):
        made += len(resampler.convert(np.zeros(count, np.float32))) + resampler.skip(count)
        taken += 2 * count
        assert made * step + resampler.behind == pytest.approx(taken) or made * step >= taken
        assert made * step < taken + step + 1e-6


@pytest.mark.parametrize("step", [1.0003, 0.4])
def test_the_kernel_is_its_numpy_twin(noise, step):
    samples, table = noise(400), sinc_table(16, 1.0, 8.0)
    out, time = np.zeros(2000, np.float32), np.array([0.3])
    made = interpolate(samples, table, time, step, out)
    expected = interpolate_numpy(samples, table, 0.3, step)
    assert made == len(expected)
    assert np.allclose(out[:made], expected, atol=2e-6)
    assert np.allclose(table.sum(axis=1), 1.0, atol=1e-6)
