"""Hazard: a reset that forgets a field."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser


@pytest.mark.parametrize("rate", [8000, 16000, 48000, 44100])
@pytest.mark.parametrize("heard", [1, 127, 128, 5000, 7777])
def test_after_a_reset_the_same_input_gives_the_same_bits_as_a_new_one(stateful, speechlike, rate, heard):
    samples = speechlike(6000, rate)
    fresh = Denoiser(rate, stateful).process(samples)
    used = Denoiser(rate, stateful)
    used.process(0.5 + speechlike(heard, rate, seed=1))
    used.reset()
    assert np.array_equal(used.process(samples), fresh)


def test_a_reset_matters(stateful, speechlike):
    """Else the test above would pass with a model that remembers nothing."""
    samples = speechlike(6000)
    fresh = Denoiser(16000, stateful).process(samples)
    used = Denoiser(16000, stateful)
    used.process(0.5 + speechlike(1280, seed=1))
    assert not np.array_equal(used.process(samples)[-2000:], fresh[-2000:])


def test_settings_and_latency_survive_a_reset(leaky):
    denoiser = Denoiser(44100, leaky, attenuation_limit_db=20, bypass=True)
    before = denoiser.latency
    denoiser.reset()
    assert (denoiser.attenuation_limit_db, denoiser.bypass, denoiser.latency) == (20.0, True, before)


def test_a_fade_that_was_under_way_does_not_go_on_after_a_reset(constant, noise):
    denoiser = Denoiser(16000, constant(0.0))
    denoiser.process(noise(1280))
    denoiser.bypass = True
    denoiser.process(noise(128))
    denoiser.reset()
    fresh = Denoiser(16000, constant(0.0), bypass=True)
    assert np.array_equal(denoiser.process(noise(1280)), fresh.process(noise(1280)))
