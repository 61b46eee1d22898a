"""Hazard: something grows, drifts or leaks over minutes of audio."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser


def resident_bytes() -> int:
    """Memory of this process; 0 where the system has no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


@pytest.mark.parametrize(("rate", "minutes"), [(16000, 20), (48000, 4), (44100, 4), (12000, 4)])
def test_minutes_of_audio_without_drift_or_growth(identity, rate, minutes):
    denoiser = Denoiser(rate, identity)
    second = 0.5 * np.sin(2 * np.pi * 440 / rate * np.arange(rate)).astype(np.float32)
    taken = given = 0
    memory = 0
    ending: list[np.ndarray] = []
    for number in range(60 * minutes):
        ending = [denoiser.process(second[start : start + 480]) for start in range(0, rate, 480)]
        given += sum(map(len, ending))
        taken += rate
        assert taken <= given <= taken + denoiser.latency
        if number == 20:
            memory = resident_bytes()
    assert resident_bytes() - memory < 8e6
    ending.append(denoiser.flush())
    assert given + len(ending[-1]) == taken + denoiser.latency
    # The end of the output is the end of the input, to the sample, unless one was lost or made up on the way.
    kept = slice(-rate // 2, -rate // 100)
    assert snr_db(second[kept], np.concatenate(ending)[kept]) > 65


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_steady_state_allocates_the_returned_array_only(stateful, noise, rate):
    denoiser = Denoiser(rate, stateful)
    block = noise(denoiser.hop_length)
    for _ in range(20):
        denoiser.process(block)
    tracemalloc.start()
    try:
        denoiser.process(block)
        tracemalloc.clear_traces()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        out = denoiser.process(block)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert out.nbytes <= peak < out.nbytes + 1500, "more than small Python objects was allocated"


@pytest.mark.parametrize("rate", [16000, 44100])
def test_many_short_streams_do_not_leak(leaky, noise, rate):
    samples = noise(500)
    memory = 0
    denoiser = Denoiser(rate, leaky)
    for number in range(1500):
        denoiser.process(samples)
        denoiser.flush()
        if number == 300:
            memory = resident_bytes()
    assert resident_bytes() - memory < 8e6
