"""Hazard: a loss that measures something else than its name says, or breaks where nobody speaks."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
keras = pytest.importorskip("keras", reason="training needs the extra [train]")
from keras import ops  # noqa: E402

from rtdenoise.config import STREAM_TRANSFORM  # noqa: E402
from train.config import LossConfig  # noqa: E402
from train.losses import (  # noqa: E402
    Transform,
    bark_bands,
    complex_product,
    denoising_loss,
    intelligibility_loss,
    loudness_loss,
    third_octave_bands,
)

N_BINS = STREAM_TRANSFORM.n_bins


@pytest.fixture(scope="module")
def transform():
    return Transform(STREAM_TRANSFORM)


@pytest.fixture(scope="module")
def spectra():
    """``(2, 90, n_bins, 2)``: coloured noise that comes and goes, 1.5 s of two examples."""
    rng = np.random.default_rng(0)
    swell = 1.1 + np.sin(np.linspace(0, 25, 90))[None, :, None, None]
    slope = np.linspace(1, 0.05, N_BINS)[None, None, :, None]
    return (rng.standard_normal((2, 90, N_BINS, 2)) * swell * slope).astype(np.float32)


def estoi_by_the_book(estimate: np.ndarray, target: np.ndarray) -> float:
    """Equations 1 to 6 of Jensen and Taal 2016, one segment after the other."""
    bands = third_octave_bands(N_BINS)
    scores = []
    for heard, wanted in zip(estimate, target, strict=True):
        a, b = (np.sqrt((x**2).sum(-1) @ bands) for x in (heard, wanted))
        for start in range(len(a) - 23):
            rows = []
            for envelope in (a, b):
                segment = envelope[start : start + 24].astype(np.float64)
                segment = segment - segment.mean(axis=0)
                segment = segment / np.linalg.norm(segment, axis=0)
                segment = segment - segment.mean(axis=1, keepdims=True)
                rows.append(segment / np.linalg.norm(segment, axis=1, keepdims=True))
            scores.append((rows[0] * rows[1]).sum() / 24)
    return float(np.mean(scores))


def test_intelligibility_is_estoi_and_knows_no_level(transform, spectra):
    noise = np.random.default_rng(1).standard_normal(spectra.shape).astype(np.float32)
    for share in (0.0, 0.2, 1.0):
        noisy = spectra + share * noise
        loss = float(intelligibility_loss(transform, noisy, spectra))
        assert loss == pytest.approx(1 - estoi_by_the_book(noisy, spectra), abs=2e-3)
        assert float(intelligibility_loss(transform, 0.1 * noisy, spectra)) == pytest.approx(loss, abs=2e-3)


def test_intelligibility_counts_only_where_one_speaks(transform, spectra):
    target, estimate = spectra.copy(), spectra.copy()
    target[:, 45:] *= 1e-6
    estimate[:, 45:] = np.random.default_rng(2).standard_normal(estimate[:, 45:].shape)
    spoken = float(intelligibility_loss(transform, estimate[:, :45], target[:, :45]))
    assert spoken == pytest.approx(0, abs=1e-4)
    everywhere = float(intelligibility_loss(transform, estimate, target))
    assert everywhere < 0.5  # segments that begin in speech reach into what follows; those after it would add ones
    assert float(intelligibility_loss(transform, estimate, 0 * target)) == 0


def test_intelligibility_of_less_than_a_segment(transform, spectra):
    noise = np.random.default_rng(4).standard_normal(spectra.shape).astype(np.float32)
    assert float(intelligibility_loss(transform, spectra[:, :14], spectra[:, :14])) == pytest.approx(0, abs=1e-4)
    assert 0.3 < float(intelligibility_loss(transform, noise[:, :14], spectra[:, :14])) < 1.7


def test_loudness_weighs_low_bands_more_than_as_many_high_bins(transform, spectra):
    assert float(loudness_loss(transform, spectra, spectra)) == 0
    flat = np.ones_like(spectra)
    low, high = flat.copy(), flat.copy()
    low[:, :, 8:40] *= 0.5
    high[:, :, 200:232] *= 0.5
    assert float(loudness_loss(transform, low, flat)) > 5 * float(loudness_loss(transform, high, flat))


def test_bands_cover_what_they_should():
    thirds, barks = third_octave_bands(N_BINS), bark_bands(N_BINS)
    assert thirds.shape == (N_BINS, 15)
    assert (thirds.sum(axis=0) >= 1).all()
    assert thirds.sum(axis=1).max() == 1
    np.testing.assert_allclose(barks.sum(axis=0), 1, rtol=1e-6)
    assert ((barks > 0).sum(axis=1) == 1).all()


def test_each_term_adds_to_the_loss_and_has_a_gradient_where_all_is_silent(transform):
    rng = np.random.default_rng(3)
    noisy = (0.1 * rng.standard_normal((2, 128 * 90))).astype(np.float32)
    clean = np.stack([0.5 * noisy[0], 0 * noisy[1]])
    frames = transform.frames(noisy)

    def loss(scale, **terms):
        mask = ops.stack([scale * ops.ones(frames.shape[:3]), ops.zeros(frames.shape[:3])], axis=-1)
        return denoising_loss(LossConfig(**terms), transform, complex_product(frames, mask), noisy, clean)

    ragged = rng.random(frames.shape[:3]).astype(np.float32)
    none = {"loudness": 0.0, "intelligibility": 0.0}
    plain = float(loss(ragged, **none))
    for name in none:
        assert plain + 0.1 < float(loss(ragged, **none | {name: 10.0})) < plain + 20
    tensorflow = pytest.importorskip("tensorflow")
    scale = tensorflow.Variable(np.zeros(frames.shape[:3], np.float32))
    with tensorflow.GradientTape() as tape:
        value = loss(scale, loudness=10.0, intelligibility=10.0)
    assert np.isfinite(tape.gradient(value, scale).numpy()).all()
