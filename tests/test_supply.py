"""Hazard: a callback that asks for as many samples as it brought is left short."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser
from rtdenoise.config import NATIVE_RATES

CONVERTED = [44100, 22050, 11025, 12000, 12345, 8001, 47999, 88200, 96000, 192000, 384000, 4000]


@pytest.mark.parametrize("rate", [*NATIVE_RATES, *CONVERTED])
def test_output_never_falls_short_of_input(identity, rate):
    denoiser = Denoiser(rate, identity)
    hop = denoiser.hop_length
    for seed, sizes in enumerate([[1], [hop - 1], [hop], [hop + 1], [rate // 3], [1, 2, 3, hop, 5 * hop, 1000, 0]]):
        denoiser.reset()
        rng = np.random.default_rng(seed)
        taken = given = 0
        for size in rng.choice(sizes, 30 if sizes[0] > 2 * hop else 4000):
            given += len(denoiser.process(np.zeros(size, np.float32)))
            taken += int(size)
            assert taken <= given <= taken + denoiser.latency


def test_the_collecting_hop_is_handed_out_with_the_first_sample(identity):
    denoiser = Denoiser(16000, identity)
    assert denoiser.process([]).shape == (0,)
    first = denoiser.process([0.5])
    assert first.shape == (128,)
    assert not first.any()
    assert denoiser.process([0.5]).shape == (0,)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_every_block_is_float32(identity, rate):
    denoiser = Denoiser(rate, identity)
    for block in ([], [0.1], [0.1] * 5000):
        out = denoiser.process(block)
        assert out.dtype == np.float32
        assert out.ndim == 1
    assert denoiser.flush().dtype == np.float32
