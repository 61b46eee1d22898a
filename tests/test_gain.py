"""Hazard: the attenuation limit is no floor, or a change of limit or bypass clicks or moves the signal in time."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser, ParameterError, denoise
from rtdenoise.config import NATIVE_RATES
from rtdenoise.gain import RAMP_HOPS, Ramp, floor_from_limit


def blocks(samples: np.ndarray, size: int = 100):
    return (samples[start : start + size] for start in range(0, len(samples), size))


def with_changes(denoiser: Denoiser, samples: np.ndarray, changes: dict[int, dict[str, object]]) -> np.ndarray:
    """The stream, with attributes set before the block that starts at a given sample; aligned with ``samples``."""
    parts = []
    for index, block in enumerate(blocks(samples)):
        for name, value in changes.get(100 * index, {}).items():
            setattr(denoiser, name, value)
        parts.append(denoiser.process(block))
    return np.concatenate([*parts, denoiser.flush()])[denoiser.latency :]


@pytest.mark.parametrize("rate", NATIVE_RATES)
@pytest.mark.parametrize(("limit", "kept"), [(0, 1.0), (6.0206, 0.5), (20, 0.1), (40.0, 0.01)])
def test_the_limit_is_a_floor_on_the_gain(constant, noise, rate, limit, kept):
    samples = noise(rate)
    out = denoise(samples, rate, constant(0.0), attenuation_limit_db=limit)
    assert snr_db(kept * samples, out) > 90


def test_the_limit_changes_nothing_above_it(constant, noise):
    samples = noise(16000)
    free = denoise(samples, 16000, constant(0.5))
    assert np.array_equal(denoise(samples, 16000, constant(0.5), attenuation_limit_db=20), free)
    assert not denoise(samples, 16000, constant(0.0)).any()


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_bypass_reproduces_the_input(stateful, noise, rate):
    samples = noise(rate)
    denoiser = Denoiser(rate, stateful, bypass=True)
    out = np.concatenate([denoiser.process(samples), denoiser.flush()])[denoiser.latency :]
    assert snr_db(samples, out) > 100


def test_bypass_and_limit_do_not_change_the_latency(leaky):
    for rate in (16000, 44100):
        denoiser = Denoiser(rate, leaky)
        latency = denoiser.latency
        for bypass in (True, False):
            for limit in (None, 0, 6, 60):
                denoiser.bypass, denoiser.attenuation_limit_db = bypass, limit
                assert denoiser.latency == latency
                assert Denoiser(rate, leaky, limit, bypass).latency == latency


def test_while_bypassed_the_model_keeps_listening(stateful, speechlike):
    """After a bypass the output is what it would have been without it."""
    samples = speechlike(32_000)
    never = with_changes(Denoiser(16000, stateful), samples, {})
    for_a_while = with_changes(Denoiser(16000, stateful), samples, {4000: {"bypass": True}, 16_000: {"bypass": False}})
    assert np.array_equal(for_a_while[:3800], never[:3800])
    assert snr_db(samples[8000:15_000], for_a_while[8000:15_000]) > 100
    assert np.array_equal(for_a_while[18_000:], never[18_000:])


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize(
    "changes",
    [
        {8000: {"bypass": True}},
        {8000: {"bypass": True}, 8300: {"bypass": False}, 8700: {"bypass": True}},
        {8000: {"attenuation_limit_db": 0}},
        {8000: {"attenuation_limit_db": 6}, 8500: {"attenuation_limit_db": None}},
        {8000: {"attenuation_limit_db": 3.0, "bypass": True}, 9000: {"attenuation_limit_db": None, "bypass": False}},
    ],
)
def test_changes_are_free_of_clicks(constant, rate, changes):
    """A slow tone, a silent model: a step would show in the second difference, of which a tone has little."""
    omega = 2 * np.pi * 300 / rate
    tone = np.cos(omega * np.arange(24_000)).astype(np.float32)
    denoiser = Denoiser(rate, constant(0.0))
    out = with_changes(denoiser, tone, changes)
    assert np.abs(out).max() > 0.2, "the change had an effect"
    bend = np.abs(np.diff(out.astype(np.float64), 2)).max()
    assert bend < 1.2 * omega**2, f"a step of {bend / omega**2:.1f} times what the tone itself bends"
    assert not out[: 8000 - denoiser.latency].any(), "no change before its time"


def test_a_change_is_complete_after_the_ramp(constant, noise):
    samples = noise(16000)
    out = with_changes(Denoiser(16000, constant(0.0)), samples, {8000: {"bypass": True}})
    begin, end = 8000 - 256, 8000 + (RAMP_HOPS + 2) * 128
    assert not out[:begin].any()
    assert snr_db(samples[end:], out[end:]) > 100


def test_a_ramp_ends_on_its_target_and_never_beyond():
    for start, target in [(0.0, 1.0), (1.0, 0.0), (0.0, 0.3), (0.7, 0.1), (0.5, 0.5)]:
        ramp = Ramp(start)
        values = [ramp.step(target) for _ in range(RAMP_HOPS)]
        assert values[-1] == target
        steps = np.diff([start, *values])
        assert np.all(steps * np.sign(target - start) >= 0)
        assert np.abs(steps).max() <= 1 / RAMP_HOPS + 1e-12


def test_decibels():
    assert floor_from_limit(None) == 0
    assert floor_from_limit(0) == 1
    assert floor_from_limit(20) == pytest.approx(0.1)


@pytest.mark.parametrize("limit", [-0.1, float("nan"), float("inf"), "12", True, [3]])
def test_impossible_limits_are_refused_at_once(leaky, limit):
    with pytest.raises(ParameterError, match=r"attenuation_limit_db=.*from 0 up"):
        Denoiser(16000, leaky, attenuation_limit_db=limit)
    denoiser = Denoiser(16000, leaky, attenuation_limit_db=10)
    with pytest.raises(ParameterError, match=r"attenuation_limit_db=.*from 0 up"):
        denoiser.attenuation_limit_db = limit
    assert denoiser.attenuation_limit_db == 10


def test_numpy_numbers_are_numbers(leaky):
    assert Denoiser(16000, leaky, attenuation_limit_db=np.float32(12)).attenuation_limit_db == 12
    assert Denoiser(16000, leaky, attenuation_limit_db=np.int64(12)).attenuation_limit_db == 12
