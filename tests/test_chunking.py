"""Hazard: where a stream is cut into blocks leaves a trace in it."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser

RATES = [8000, 16000, 48000, 44100]


def in_blocks(denoiser: Denoiser, samples: np.ndarray, sizes) -> np.ndarray:
    parts, start = [], 0
    for size in sizes:
        parts.append(denoiser.process(samples[start : start + size]))
        start += size
        if start >= len(samples):
            break
    return np.concatenate([*parts, denoiser.flush()])


def forever(size):
    while True:
        yield size


@pytest.mark.parametrize("rate", RATES)
def test_any_block_size_gives_the_same_bits(stateful, speechlike, rate):
    denoiser = Denoiser(rate, stateful)
    hop = denoiser.hop_length
    samples = speechlike(9000, rate)
    whole = in_blocks(denoiser, samples, [len(samples)])
    assert np.any(whole)
    for size in (1, 7, hop - 1, hop, hop + 1, 509, 8193):
        assert np.array_equal(in_blocks(denoiser, samples, forever(size)), whole), f"blocks of {size}"


@pytest.mark.parametrize("rate", RATES)
def test_random_blocks_with_empty_ones_between_give_the_same_bits(stateful, speechlike, rate):
    denoiser = Denoiser(rate, stateful)
    samples = speechlike(40_000, rate)
    whole = in_blocks(denoiser, samples, [len(samples)])
    for seed in range(3):
        rng = np.random.default_rng(seed)
        sizes = (int(size) for size in rng.choice([0, 0, 1, 2, 100, 128, 1000, 5000], 100_000))
        assert np.array_equal(in_blocks(denoiser, samples, sizes), whole)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("length", [0, 1, 2, 127, 128, 129, 255, 256, 257, 1023])
def test_short_streams_keep_their_length(leaky, speechlike, rate, length):
    denoiser = Denoiser(rate, leaky)
    samples = speechlike(max(length, 1), rate)[:length]
    whole = in_blocks(denoiser, samples, [length])
    assert len(whole) == length + denoiser.latency
    assert np.array_equal(in_blocks(denoiser, samples, forever(1)), whole)


def test_strided_and_read_only_blocks_are_taken_as_they_are(leaky, speechlike):
    samples = speechlike(6000)
    whole = Denoiser(16000, leaky).process(samples)
    stereo = np.stack([samples, -samples], axis=1)
    stereo.flags.writeable = False
    assert np.array_equal(Denoiser(16000, leaky).process(stereo[:, 0]), whole)
    converted = Denoiser(44100, leaky).process(samples)
    assert np.array_equal(Denoiser(44100, leaky).process(stereo[:, 0]), converted)


def test_the_callers_block_is_not_changed(leaky, speechlike):
    for rate in (16000, 44100):
        samples = speechlike(6000)
        samples[100] = np.nan
        before = samples.copy()
        Denoiser(rate, leaky).process(samples)
        assert np.array_equal(samples, before, equal_nan=True)


def test_a_returned_array_is_not_written_again(leaky, speechlike):
    samples = speechlike(6000)
    for rate in (16000, 44100):
        denoiser = Denoiser(rate, leaky)
        first = denoiser.process(samples[:3000])
        before = first.copy()
        denoiser.process(samples[3000:])
        assert np.array_equal(first, before)
