"""Hazard: the stated latency is not the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtdenoise
from rtdenoise import Denoiser
from rtdenoise.config import NATIVE_RATES


def stream(denoiser: Denoiser, samples: np.ndarray) -> np.ndarray:
    return np.concatenate([denoiser.process(samples), denoiser.flush()])


def lag_of(reference: np.ndarray, delayed: np.ndarray) -> int:
    size = 1 << (len(reference) + len(delayed)).bit_length()
    spectrum = np.fft.rfft(delayed, size) * np.conj(np.fft.rfft(reference, size))
    return int(np.argmax(np.fft.irfft(spectrum)))


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_sixteen_milliseconds_at_every_native_rate(identity, rate):
    denoiser = Denoiser(rate, identity)
    assert denoiser.latency == 16 * rate // 1000
    assert denoiser.latency_seconds == pytest.approx(0.016)
    assert denoiser.hop_length == 8 * rate // 1000


@pytest.mark.parametrize("rate", NATIVE_RATES)
@pytest.mark.parametrize("position", [0, 1, 127, 128, 1000, 1023])
def test_an_impulse_lands_where_the_latency_says(identity, rate, position):
    denoiser = Denoiser(rate, identity)
    impulse = np.zeros(2048, np.float32)
    impulse[position] = 1
    out = stream(denoiser, impulse)
    expected = np.zeros(2048 + denoiser.latency, np.float32)
    expected[position + denoiser.latency] = 1
    assert np.abs(out - expected).max() < 1e-6


@pytest.mark.parametrize("rate", [*NATIVE_RATES, 44100, 22050, 12000, 12345, 96000])
def test_cross_correlation_peaks_at_the_latency(identity, speechlike, rate):
    denoiser = Denoiser(rate, identity)
    samples = speechlike(rate, rate)
    assert lag_of(samples, stream(denoiser, samples)) == denoiser.latency


def test_cross_correlation_of_noisy_speech_through_the_shipped_model():
    samples, rate = soundfile.read(Path(rtdenoise.__file__).parent / "samples" / "demo_noisy.flac", dtype="float32")
    denoiser = Denoiser(rate, "stream")
    assert lag_of(samples, stream(denoiser, samples)) == denoiser.latency


def test_a_model_that_gives_the_previous_frame_is_a_hop_later(frame_delay, speechlike):
    samples = speechlike(16000)
    denoiser = Denoiser(16000, frame_delay)
    assert lag_of(samples, stream(denoiser, samples)) == denoiser.latency + 128


def test_conversion_states_what_it_adds(identity):
    native = Denoiser(48000, identity).latency_seconds
    for rate, most_added in [(44100, 0.012), (22050, 0.021), (96000, 0.027)]:
        assert native < Denoiser(rate, identity).latency_seconds < native + most_added
