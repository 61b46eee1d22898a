"""Hazard: the tail of a stream is lost, or something of it stays for the next."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser
from rtdenoise.config import NATIVE_RATES

RATES = [8000, 16000, 32000, 48000, 44100, 96000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("length", [0, 1, 100, 128, 5000, 12_345])
def test_exactly_latency_more_came_out_than_went_in(leaky, noise, rate, length):
    denoiser = Denoiser(rate, leaky)
    given = len(denoiser.process(noise(length)))
    assert given + len(denoiser.flush()) == length + denoiser.latency


@pytest.mark.parametrize("rate", RATES)
def test_the_tail_is_the_signals(identity, rate):
    denoiser = Denoiser(rate, identity)
    samples = np.sin(2 * np.pi * 440 / rate * np.arange(rate)).astype(np.float32)
    denoiser.process(samples)
    tail = denoiser.flush()
    count = min(len(tail), denoiser.latency)
    # A converted stream rings around its end, as any filter does; until shortly before it nothing may be missing.
    kept = count if rate in NATIVE_RATES else count - 100 * rate // 44100
    assert kept > 0
    assert snr_db(samples[-count:][:kept], tail[-count:][:kept]) > 60


def test_a_flushed_denoiser_is_as_new(stateful, speechlike):
    samples = speechlike(5000)
    for rate in (16000, 44100):
        denoiser = Denoiser(rate, stateful)
        first = [denoiser.process(samples), denoiser.flush()]
        second = [denoiser.process(samples), denoiser.flush()]
        assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_flushing_twice_gives_silence_of_the_latencys_length(leaky, noise):
    denoiser = Denoiser(16000, leaky)
    denoiser.process(noise(1000))
    denoiser.flush()
    silence = denoiser.flush()
    assert len(silence) == denoiser.latency
    assert not silence.any()
