"""Hazard: the way back from the decibels is not the inverse of the way there (the ancestor's left 1.6 dB)."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import ParameterError
from rtdenoise.config import CONTEXT_TRANSFORM, ContextTransform
from rtdenoise.context_stft import (
    analyse_context,
    analyse_context_numpy,
    hann,
    normaliser,
    synthesise_context,
    synthesise_context_numpy,
)

TRANSFORMS = [CONTEXT_TRANSFORM, ContextTransform(8000, 640, 101, 40, 160)]


def analysed(samples: np.ndarray, transform: ContextTransform) -> tuple[np.ndarray, np.ndarray]:
    spectra = np.zeros((transform.n_frames, transform.n_bins), np.complex64)
    magnitudes = np.zeros(spectra.shape, np.float32)
    time = np.zeros(transform.window_length, np.float32)
    analyse_context(samples, hann(transform), transform.hop_length, time, spectra, magnitudes)
    return spectra, magnitudes


def synthesised(spectra, gains, floor: float, transform: ContextTransform, n: int) -> np.ndarray:
    out = np.full(n, np.nan, np.float32)
    time = np.zeros(transform.window_length, np.float32)
    fixed = (hann(transform), normaliser(transform), transform.hop_length, time)
    synthesise_context(spectra.copy(), gains, floor, *fixed, out)
    return out


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_there_and_back_is_every_sample_the_first_and_last_too(transform, noise):
    samples = noise(transform.context_length)
    spectra, _ = analysed(samples, transform)
    ones = np.ones(spectra.shape, np.float32)
    for n in (transform.context_length, 2 * transform.shift_length, 100):
        assert snr_db(samples[-n:], synthesised(spectra, ones, 0.0, transform, n)) > 120
    for edge in (slice(0, 200), slice(-200, None)):
        whole = synthesised(spectra, ones, 0.0, transform, transform.context_length)
        assert snr_db(samples[edge], whole[edge]) > 110


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_kernels_equal_their_slow_twins(transform, noise):
    samples = noise(transform.context_length)
    spectra, magnitudes = analysed(samples, transform)
    slow = analyse_context_numpy(samples, transform)
    assert slow.shape == spectra.shape
    assert np.abs(spectra - slow).max() < 1e-4
    assert np.abs(magnitudes - np.abs(slow)).max() < 1e-4
    gains = np.random.default_rng(0).uniform(0, 1.2, spectra.shape).astype(np.float32)
    for floor in (0.0, 0.3):
        fast = synthesised(spectra, gains, floor, transform, 300)
        assert np.abs(fast - synthesise_context_numpy(spectra, gains, floor, transform, 300)).max() < 1e-5


def test_one_spectrum_is_centred_on_each_hop(noise):
    samples = np.zeros(CONTEXT_TRANSFORM.context_length, np.float32)
    samples[63 * 20] = 1
    _, magnitudes = analysed(samples, CONTEXT_TRANSFORM)
    assert magnitudes.shape == (128, 128)
    assert magnitudes.sum(axis=1).argmax() == 20


@pytest.mark.parametrize(
    "lengths",
    [
        (0, 8064, 255, 63, 1008),
        (8000, 8064, 254, 63, 1008),
        (8000, 8064, 255, 0, 1008),
        (8000, 8064, 255, 128, 1008),
        (8000, 8065, 255, 63, 1008),
        (8000, 8064, 255, 63, 1000),
        (8000, 8064, 255, 63, 8064),
        (8000, 8064, 255, 63, -1008),
        (8000, 126, 255, 63, 63),
    ],
)
def test_transforms_that_cannot_be_built_are_refused(lengths):
    with pytest.raises(ParameterError, match=r"a context transform with .* cannot be built: the window must be odd"):
        ContextTransform(*lengths)
