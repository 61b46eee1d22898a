"""Hazard: rate conversion shifts, clicks, folds, or depends on how the stream was cut."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser, denoise
from rtdenoise.config import NATIVE_RATES
from rtdenoise.resample import plan_conversion

RATES = [44100, 22050, 11025, 12000, 12345, 8001, 47999, 88200, 96000, 192000]


def band_limited(rate: int, seconds: float = 1.0) -> np.ndarray:
    """Noise up to 0.4 times the lower of ``rate`` and 48 kHz that begins and ends softly."""
    n = int(rate * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(rate).standard_normal(n))
    spectrum[int(0.4 * min(rate, 48000) * seconds) :] = 0
    fade = np.clip(np.minimum(np.arange(n), n - 1 - np.arange(n)) / (0.1 * n), 0, 1)
    return (0.1 * fade**2 * np.fft.irfft(spectrum, n) / np.sqrt(np.mean(np.fft.irfft(spectrum, n) ** 2))).astype(
        np.float32
    )


@pytest.mark.parametrize("rate", RATES)
def test_what_goes_in_comes_out_at_the_same_place(identity, rate):
    """74 dB is what soxr's ripple of 0.002 dB leaves; a shift by a hundredth of a sample would leave 40."""
    samples = band_limited(rate)
    assert snr_db(samples, denoise(samples, rate, identity)) > 70


@pytest.mark.parametrize("rate", RATES)
def test_the_shift_is_a_whole_number_of_samples(rate):
    native = next((native for native in NATIVE_RATES if native > rate), NATIVE_RATES[-1])
    plan = plan_conversion(rate, native, native // 125, native // 125)
    assert abs(plan.misalignment) < 1e-3


@pytest.mark.parametrize("rate", RATES)
def test_streamed_equals_one_shot(leaky, speechlike, rate):
    samples = speechlike(rate // 2, rate)
    whole = denoise(samples, rate, leaky)
    denoiser = Denoiser(rate, leaky)
    rng = np.random.default_rng(rate)
    parts, start = [], 0
    while start < len(samples):
        size = int(rng.choice([0, 1, 3, 64, 441, 4096]))
        parts.append(denoiser.process(samples[start : start + size]))
        start += size
    streamed = np.concatenate([*parts, denoiser.flush()])[denoiser.latency :]
    assert np.array_equal(streamed, whole)


@pytest.mark.parametrize("rate", [44100, 12000, 96000])
def test_tones_keep_their_level_up_to_the_edge_of_the_band(identity, rate):
    time = np.arange(rate) / rate
    for share in (0.01, 0.1, 0.3, 0.44):
        tone = np.sin(2 * np.pi * share * min(rate, 48000) * time).astype(np.float32)
        out = denoise(tone, rate, identity)[rate // 4 : -rate // 4]
        assert 20 * np.log10(np.std(out) * np.sqrt(2)) == pytest.approx(0, abs=0.01)


def test_what_the_native_rate_cannot_carry_is_removed_and_not_folded(identity):
    tone = np.sin(2 * np.pi * 30_000 / 96_000 * np.arange(96_000)).astype(np.float32)
    out = denoise(tone, 96000, identity)[20_000:-20_000]
    assert np.abs(out).max() < 1e-4


@pytest.mark.parametrize("rate", [44100, 96000])
def test_broken_samples_do_not_poison_the_converter(identity, rate):
    samples = band_limited(rate)
    samples[[100, 101, 2000]] = np.nan, np.inf, 1e30
    out = denoise(samples, rate, identity)
    assert np.isfinite(out).all()
    assert snr_db(samples[rate // 2 :], out[rate // 2 :]) > 70


def test_the_gain_acts_between_the_conversions(constant):
    samples = band_limited(44100)
    assert snr_db(0.25 * samples, denoise(samples, 44100, constant(0.25))) > 70
    bypassed = Denoiser(44100, constant(0.0), bypass=True)
    out = np.concatenate([bypassed.process(samples), bypassed.flush()])[bypassed.latency :]
    assert snr_db(samples, out) > 70
