"""Hazard: the two windows, or the arithmetic between them, colour the signal."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser, ParameterError, denoise
from rtdenoise.config import NATIVE_RATES, STREAM_TRANSFORM, TransformConfig
from rtdenoise.stft import check_windows, design_windows


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_what_goes_in_comes_out(identity, noise, rate):
    samples = noise(3 * rate)
    assert snr_db(samples, denoise(samples, rate, identity)) > 120


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_a_quiet_signal_is_reconstructed_as_well_as_a_loud_one(identity, noise, rate):
    samples = 1e-4 * noise(rate)
    assert snr_db(samples, denoise(samples, rate, identity)) > 120


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_nothing_is_lost_at_either_end(identity, noise, rate):
    samples = noise(5 * rate // 100)
    error = np.abs(denoise(samples, rate, identity) - samples)
    assert error.max() < 2e-6


@pytest.mark.parametrize(
    "transform",
    [
        *(STREAM_TRANSFORM.at_rate(rate) for rate in NATIVE_RATES),
        TransformConfig(16000, 30, 10),
        TransformConfig(8000, 8, 1),
    ],
)
def test_the_pair_is_designed_to_overlap_add_to_one(transform):
    analysis, synthesis = design_windows(transform)
    check_windows(analysis, synthesis, transform.hop_length)
    assert analysis.min() > 0
    assert np.abs(synthesis).max() < 1.1, "a synthesis window that amplifies would amplify rounding as well"


def test_a_pair_that_does_not_overlap_add_to_one_is_refused():
    analysis, synthesis = design_windows(STREAM_TRANSFORM)
    with pytest.raises(ParameterError, match="overlap-add to one with an error of"):
        check_windows(analysis, synthesis * 1.001, STREAM_TRANSFORM.hop_length)
    with pytest.raises(ParameterError, match="overlap-add to one with an error of"):
        check_windows(analysis, np.full_like(synthesis, np.nan), STREAM_TRANSFORM.hop_length)


def test_windows_of_the_wrong_length_are_refused():
    analysis, synthesis = design_windows(STREAM_TRANSFORM)
    with pytest.raises(ParameterError, match="do not fit a hop"):
        check_windows(analysis, synthesis[:-1], STREAM_TRANSFORM.hop_length)
    with pytest.raises(ParameterError, match="do not fit a hop"):
        check_windows(analysis[:100], synthesis, STREAM_TRANSFORM.hop_length)


@pytest.mark.parametrize(("window", "hop"), [(512, 0), (511, 128), (512, 200)])
def test_an_impossible_transform_is_refused(window, hop):
    with pytest.raises(ParameterError, match="cannot be built"):
        TransformConfig(16000, window, hop)


def test_a_rate_that_does_not_divide_is_refused():
    with pytest.raises(ParameterError, match="44100 does not divide"):
        STREAM_TRANSFORM.at_rate(44100)


def test_the_model_has_its_effect(constant, noise):
    """Else all of the above would pass with the model left out."""
    samples = noise(16000)
    assert snr_db(0.25 * samples, denoise(samples, 16000, constant(0.25))) > 120
    assert Denoiser(16000, constant(0.25)).latency == 256
