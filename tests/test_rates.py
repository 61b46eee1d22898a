"""Hazard: the model hears something else at another rate, or a full band is cut."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser, ParameterError, denoise
from rtdenoise.config import NATIVE_RATES, STREAM_TRANSFORM
from rtdenoise.model import Model


class Recorder(Model):
    """A model that keeps what it was shown."""

    def __init__(self, inner: Model) -> None:
        self.__dict__.update(inner.__dict__)
        self.frames: list[np.ndarray] = []

    def advance(self, state) -> None:
        self.frames.append(state.frame.copy())
        super().advance(state)


@pytest.mark.parametrize("frequency", [125, 1000, 3500])
def test_a_tone_has_the_same_magnitude_in_the_same_bin_at_every_rate(identity, frequency):
    seen = []
    for rate in [*NATIVE_RATES, 44100, 24000, 96000]:
        recorder = Recorder(identity)
        tone = np.sin(2 * np.pi * frequency / rate * np.arange(rate))
        Denoiser(rate, recorder).process(tone)
        seen.append(np.abs(recorder.frames[-10:]).mean(axis=0))
    bin_of_tone = round(frequency / 31.25)
    for spectrum in seen:
        assert int(np.argmax(spectrum)) == bin_of_tone
        assert spectrum[bin_of_tone] == pytest.approx(seen[1][bin_of_tone], rel=0.01)


def test_at_8_khz_the_bins_that_are_missing_are_zeros(identity, noise):
    recorder = Recorder(identity)
    Denoiser(8000, recorder).process(noise(8000))
    frames = np.array(recorder.frames[5:])
    assert np.abs(frames[:, :129]).min(axis=0).max() > 0
    assert not frames[:, 129:].any()


@pytest.mark.parametrize("rate", [32000, 48000])
def test_what_lies_above_the_model_follows_it_and_stays(constant, rate):
    time = np.arange(rate) / rate
    samples = (0.3 * np.sin(2 * np.pi * 12_000 * time) + 0.1 * np.sin(2 * np.pi * 7_000 * time)).astype(np.float32)
    assert snr_db(0.3 * samples, denoise(samples, rate, constant(0.3))) > 120
    assert snr_db(0.3 * samples, denoise(samples, rate, constant(0.3j))) < 10, "the phase of the mask acts below only"


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_the_shipped_model_runs_at_every_native_rate(speechlike, rate):
    samples = speechlike(rate, rate)
    out = denoise(samples, rate)
    assert out.shape == samples.shape
    assert np.isfinite(out).all()
    assert 0.01 < np.std(out) / np.std(samples) < 1.5


def test_the_shipped_model_says_the_transform_it_was_made_for():
    assert Model.load("stream").transform == STREAM_TRANSFORM


@pytest.mark.parametrize(("rate", "hop"), [(44100, 353), (22050, 176), (24000, 192), (96000, 768), (12345, 99)])
def test_the_hop_of_a_converted_rate_is_rounded(identity, rate, hop):
    assert Denoiser(rate, identity).hop_length == hop


@pytest.mark.parametrize("rate", [0, -16000, 3999, 384_001, 10_000_000, 16000.0, "16000", None, True])
def test_impossible_rates_are_refused(identity, rate):
    with pytest.raises(ParameterError, match=r"sample_rate=.*from 4000 to 384000"):
        Denoiser(rate, identity)
    with pytest.raises(ParameterError, match=r"sample_rate=.*from 4000 to 384000"):
        denoise(np.zeros(10), rate, identity)


def test_numpy_integers_are_rates(identity):
    denoiser = Denoiser(np.int32(48000), identity)
    assert denoiser.sample_rate == 48000
    assert type(denoiser.sample_rate) is int


@pytest.mark.parametrize("rate", [4000, 384_000])
def test_the_lowest_and_the_highest_rate_run(identity, rate, speechlike):
    samples = speechlike(rate // 4, rate)
    assert denoise(samples, rate, identity).shape == samples.shape
