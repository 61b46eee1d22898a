"""Hazard: a sample changes what came out before it."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser

RATES = [8000, 16000, 48000, 44100, 96000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("moment", [1, 1279, 1280, 1281, 5000])
def test_what_comes_later_changes_nothing_before_it(stateful, speechlike, rate, moment):
    samples = speechlike(8000, rate)
    changed = samples.copy()
    changed[moment:] = 0.3 * speechlike(8000, rate, seed=5)[::-1][: 8000 - moment]
    one, other = (np.concatenate([d.process(s), d.flush()]) for d, s in pair(rate, stateful, samples, changed))
    assert np.array_equal(one[:moment], other[:moment])
    assert not np.array_equal(one[moment:], other[moment:])


@pytest.mark.parametrize("rate", RATES)
def test_broken_samples_change_nothing_before_them_and_count_as_silence_after(stateful, speechlike, rate):
    moment = 3000
    broken = speechlike(8000, rate)
    broken[moment:] = np.nan
    silent = broken.copy()
    silent[moment:] = 0
    clean = speechlike(8000, rate)
    one, other, whole = (Denoiser(rate, stateful).process(samples) for samples in (broken, silent, clean))
    assert np.array_equal(one, other)
    assert np.array_equal(one[:moment], whole[:moment])


def test_an_input_sample_is_heard_within_the_latency(identity):
    """The effect of a change starts no later than the latency says."""
    for rate in (16000, 44100):
        changed = np.zeros(8000, np.float32)
        changed[4000] = 0.5
        denoiser = Denoiser(rate, identity)
        out = np.concatenate([denoiser.process(changed), denoiser.flush()])
        assert abs(int(np.argmax(np.abs(out))) - 4000 - denoiser.latency) <= 0


def pair(rate, model, *signals):
    return [(Denoiser(rate, model), signal) for signal in signals]
