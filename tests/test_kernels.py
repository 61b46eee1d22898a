"""Hazard: the fast kernels compute something else than the obvious numpy."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise.config import NATIVE_RATES, STREAM_TRANSFORM
from rtdenoise.features import compress, compress_numpy
from rtdenoise.gain import apply_gain, apply_gain_numpy
from rtdenoise.stft import (
    analyse_hop,
    analyse_hop_numpy,
    design_windows,
    sanitise,
    sanitise_numpy,
    synthesise_hop,
    synthesise_hop_numpy,
)

MODEL_BINS = STREAM_TRANSFORM.n_bins
HARD_NUMBERS = [0.0, -0.0, 1.0, -1.0, 999.0, 1000.0, 1000.1, -1e4, 1e30, -1e30, np.inf, -np.inf, np.nan]
TINY_NUMBERS = [1e-17, 9e-19, -1e-40, 1e-45]


def random_mask(rng) -> np.ndarray:
    return (rng.uniform(-1, 1, MODEL_BINS) + 1j * rng.uniform(-1, 1, MODEL_BINS)).astype(np.complex64)


def test_sanitise():
    samples = np.array(HARD_NUMBERS + TINY_NUMBERS, np.float32)
    out = np.full_like(samples, 7)
    sanitise(samples, out)
    assert np.array_equal(out, sanitise_numpy(samples))
    assert np.array_equal(out[:13], np.array([0, 0, 1, -1, 999, 1000, 1000, -1000, 1000, -1000, 0, 0, 0], np.float32))
    assert not out[14:].any()


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_analysis(rate):
    transform = STREAM_TRANSFORM.at_rate(rate)
    window = design_windows(transform)[0].astype(np.float32)
    rng = np.random.default_rng(rate)

    def buffers():
        lengths = (transform.window_length, transform.window_length)
        return [np.zeros(n, np.float32) for n in lengths], [
            np.zeros(n, np.complex64) for n in (transform.n_bins, MODEL_BINS)
        ]

    (history, windowed), (spectrum, frame) = buffers()
    (history_2, windowed_2), (spectrum_2, frame_2) = buffers()
    scale = STREAM_TRANSFORM.window_length / transform.window_length
    for _ in range(12):
        hop = rng.uniform(-1, 1, transform.hop_length).astype(np.float32)
        hop[rng.integers(0, len(hop), 5)] = rng.choice(HARD_NUMBERS, 5)
        analyse_hop(hop, history, window, windowed, spectrum, frame, scale)
        analyse_hop_numpy(hop, history_2, window, windowed_2, spectrum_2, frame_2, scale)
        assert np.array_equal(history, history_2)
        largest = np.abs(spectrum_2).max()
        assert np.abs(spectrum - spectrum_2).max() < 1e-6 * largest
        assert np.abs(frame - frame_2).max() < 1e-6 * largest * scale
        assert not frame[transform.n_bins :].any()


@pytest.mark.parametrize("compression", [0.3, 0.5, 1.0])
def test_features(compression):
    rng = np.random.default_rng(4)
    directions = np.exp(2j * np.pi * rng.uniform(size=MODEL_BINS))
    frame = (directions * 10.0 ** rng.uniform(-20, 5, MODEL_BINS)).astype(np.complex64)
    frame[:3] = 0, 1e5, 1e-25j
    features, features_2 = (np.full((3, MODEL_BINS - 1), np.nan, np.float32) for _ in range(2))
    compress(frame, compression, features)
    compress_numpy(frame, compression, features_2)
    np.testing.assert_allclose(features, features_2, rtol=1e-6)
    assert features[2, 0] == pytest.approx(1e-5**compression), "silence is that loud"
    assert features[2, 1] == pytest.approx(1e5**compression)


@pytest.mark.parametrize("rate", NATIVE_RATES)
@pytest.mark.parametrize(("floor", "bypass"), [(0.0, 0.0), (0.3, 0.0), (0.0, 1.0), (0.7, 0.4), (1.0, 0.0)])
def test_gain_and_synthesis(rate, floor, bypass):
    transform = STREAM_TRANSFORM.at_rate(rate)
    window = design_windows(transform)[1].astype(np.float32)
    rng = np.random.default_rng(rate)
    shared = min(transform.n_bins, MODEL_BINS)
    time, time_2 = (np.zeros(transform.window_length, np.float32) for _ in range(2))
    overlap, overlap_2, out, out_2 = (np.zeros(transform.hop_length, np.float32) for _ in range(4))
    for _ in range(12):
        spectrum = np.fft.rfft(rng.standard_normal(transform.window_length)).astype(np.complex64)
        spectrum_2, mask = spectrum.copy(), random_mask(rng)
        synthesise_hop(spectrum, mask, floor, bypass, shared, 192, time, window, overlap, out)
        synthesise_hop_numpy(spectrum_2, mask, floor, bypass, shared, 192, time_2, window, overlap_2, out_2)
        assert np.abs(spectrum - spectrum_2).max() < 1e-6 * np.abs(spectrum_2).max()
        assert np.abs(out - out_2).max() < 3e-6
        assert np.abs(overlap - overlap_2).max() < 3e-6


def test_bins_above_the_model_get_the_power_weighted_mean_gain_of_its_top_band():
    for apply in (apply_gain, apply_gain_numpy):
        spectrum = np.array([1, 1, 2, 1, 10, 10j], np.complex64)
        mask = np.array([9, 9, 0.5, 0.25j], np.complex64)
        apply(spectrum, mask, 0.0, 0.0, 4, 2)
        expected = (0.5 * 4 + 0.25 * 1) / 5  # powers 4 and 1; magnitudes of the gains
        assert spectrum[4:] == pytest.approx([10 * expected, 10j * expected])
        spectrum = np.array([1, 1, 0, 0, 10, 10j], np.complex64)
        apply(spectrum, mask, 0.0, 0.0, 4, 2)
        assert spectrum[4:] == pytest.approx([3.75, 3.75j]), "no power to weigh by: the plain mean"


def test_the_floor_adds_dry_signal_up_to_it():
    for apply in (apply_gain, apply_gain_numpy):
        spectrum = np.ones(4, np.complex64)
        apply(spectrum, np.array([0, 0.05, 0.1, 0.8], np.complex64), 0.1, 0.0, 4, 3)
        assert spectrum == pytest.approx([0.1, 0.1, 0.1, 0.8])
