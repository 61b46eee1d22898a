"""Hazard: the one-shot function does something else than a stream, or mixes channels up."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser, ParameterError, denoise


@pytest.mark.parametrize("rate", [16000, 44100])
def test_it_is_the_stream_without_the_latency(stateful, speechlike, rate):
    samples = speechlike(10_000, rate)
    denoiser = Denoiser(rate, stateful, attenuation_limit_db=18)
    streamed = np.concatenate([denoiser.process(samples), denoiser.flush()])[denoiser.latency :]
    assert np.array_equal(denoise(samples, rate, stateful, attenuation_limit_db=18), streamed)


def test_each_channel_is_a_stream_of_its_own(stateful, speechlike):
    left, right = speechlike(5000), 0.3 * speechlike(5000, seed=3)[::-1]
    both = denoise(np.stack([left, right, left], axis=1), 16000, stateful)
    assert both.shape == (5000, 3)
    assert np.array_equal(both[:, 0], denoise(left, 16000, stateful))
    assert np.array_equal(both[:, 1], denoise(right, 16000, stateful))
    assert np.array_equal(both[:, 2], both[:, 0])


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (0, 2), (1, 1), (300, 1), (300, 5)])
def test_the_shape_is_kept(leaky, shape):
    out = denoise(np.full(shape, 0.25), 16000, leaky)
    assert out.shape == shape
    assert out.dtype == np.float32


def test_channels_first_is_not_taken_for_a_great_many_channels(leaky):
    with pytest.raises(ParameterError, match=r"\(2, 16000\) are 16000 channels, and 64 is the most; .* samples.T"):
        denoise(np.zeros((2, 16000)), 16000, leaky)


@pytest.mark.parametrize("shape", [(), (10, 0), (0, 0), (2, 3, 4)])
def test_what_is_no_recording_is_refused(leaky, shape):
    with pytest.raises(ParameterError, match=r"give \(n,\) or \(n, channels\)"):
        denoise(np.zeros(shape), 16000, leaky)


def test_integers_are_refused(leaky):
    for shape in [(100,), (100, 2), (0,)]:
        with pytest.raises(ParameterError, match="int16"):
            denoise(np.zeros(shape, np.int16), 16000, leaky)


def test_the_shipped_model_is_the_default(speechlike):
    samples = speechlike(4000)
    assert np.array_equal(denoise(samples, 16000), denoise(samples, 16000, "stream"))
    assert Denoiser().model.name == "stream"
    assert Denoiser().sample_rate == 16000
