"""Hazard: models of whole context frames break what holds for every stream: alignment, bits, length, softness."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import snr_db
from tiny_context_models import save_context, save_listening

from rtdenoise import Denoiser, Model, ParameterError, denoise
from rtdenoise.config import CONTEXT_TRANSFORM

OVERLAPS = (0.5, 0.625, 0.75, 0.875)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory) -> Model:
    return Model.load(save_context(tmp_path_factory.mktemp("model") / "unchanged.onnx"))


@pytest.fixture(scope="module")
def listening(tmp_path_factory) -> Model:
    return Model.load(save_listening(tmp_path_factory.mktemp("model") / "listening.onnx"))


@pytest.fixture(scope="module")
def quarter(tmp_path_factory) -> Model:
    return Model.load(save_context(tmp_path_factory.mktemp("model") / "quarter.onnx", 0.25))


def stream(denoiser: Denoiser, samples: np.ndarray, size: int = 10**9) -> np.ndarray:
    blocks = (samples[start : start + size] for start in range(0, len(samples), size))
    return np.concatenate([*map(denoiser.process, blocks), denoiser.flush()])


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_no_noise_predicted_gives_back_every_sample(unchanged, noise, overlap):
    samples = noise(30_000) * 0.3
    assert snr_db(samples, denoise(samples, 8000, unchanged, overlap=overlap)) > 120


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_an_impulse_lands_where_the_latency_says(unchanged, overlap):
    denoiser = Denoiser(8000, unchanged, overlap=overlap)
    assert denoiser.hop_length == round((1 - overlap) * 8064)
    assert denoiser.latency == 2 * denoiser.hop_length
    for position in (0, 1, 1007, 1008, 9000):
        impulse = np.zeros(10_000, np.float32)
        impulse[position] = 1
        expected = np.zeros(10_000 + denoiser.latency, np.float32)
        expected[position + denoiser.latency] = 1
        assert np.abs(stream(denoiser, impulse) - expected).max() < 1e-6


def test_the_default_is_the_largest_overlap(unchanged):
    assert CONTEXT_TRANSFORM.overlaps == OVERLAPS
    assert Denoiser(8000, unchanged).latency == Denoiser(8000, unchanged, overlap=0.875).latency == 2016


@pytest.mark.parametrize("overlap", [0.0, 0.4999, 0.9, 1, -0.5, np.nan, "0.5", True])
def test_other_overlaps_are_refused(unchanged, overlap):
    with pytest.raises(ParameterError, match=r"overlap=.* is not possible: .*0\.5, 0\.625, 0\.75, 0\.875"):
        Denoiser(8000, unchanged, overlap=overlap)


def test_a_model_of_hops_has_no_overlap(identity):
    with pytest.raises(ParameterError, match=r"overlap=0\.5: model tiny goes hop by hop and has none; leave it out"):
        denoise(np.zeros(10), 16000, identity, overlap=0.5)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_any_block_size_gives_the_same_bits(listening, speechlike, rate):
    denoiser = Denoiser(rate, listening, overlap=0.75)
    samples = speechlike(3 * rate, rate)
    whole = stream(denoiser, samples)
    assert len(whole) == len(samples) + denoiser.latency
    for size in (7, 509, denoiser.hop_length - 1, denoiser.hop_length + 1, 8193):
        assert np.array_equal(stream(denoiser, samples, size), whole), f"blocks of {size}"
    assert np.array_equal(stream(denoiser, samples[:777], 1), stream(denoiser, samples[:777]))


def test_output_never_falls_short(listening, noise):
    for rate in (8000, 16000, 48000):
        denoiser = Denoiser(rate, listening)
        came = 0
        for block in range(200):
            came += len(denoiser.process(noise(333)))
            assert came >= (block + 1) * 333


def test_flush_leaves_it_as_new_and_reset_forgets(listening, speechlike):
    samples = speechlike(20_000, 8000)
    denoiser = Denoiser(8000, listening)
    first = stream(denoiser, samples)
    denoiser.process(samples[:5000])
    denoiser.reset()
    assert np.array_equal(stream(denoiser, samples), first)


def test_nothing_is_nothing_and_silence_is_silence(listening):
    assert len(denoise(np.zeros(0), 8000, listening)) == 0
    assert not denoise(np.zeros(20_000), 8000, listening).any()


def test_bad_numbers_stay_out(listening, speechlike):
    samples = speechlike(20_000, 8000)
    samples[[3000, 3001, 3002, 3003]] = np.nan, np.inf, -np.inf, 1e30
    assert np.isfinite(denoise(samples, 8000, listening)).all()


def test_two_threads_with_one_model_are_two_streams(listening, speechlike):
    inputs = [speechlike(40_000, 8000, seed) for seed in range(2)]
    alone = [denoise(samples, 8000, listening) for samples in inputs]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda samples: denoise(samples, 8000, listening), inputs))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_the_attenuation_limit_is_a_floor(quarter, speechlike):
    samples = speechlike(20_000, 8000)
    assert snr_db(samples * 0.25, denoise(samples, 8000, quarter)) > 120
    assert snr_db(samples * 0.25, denoise(samples, 8000, quarter, 40)) > 120
    assert snr_db(samples * 10**-0.3, denoise(samples, 8000, quarter, 6)) > 120


def test_bypass_is_the_input_at_the_same_latency(quarter, noise):
    samples = noise(20_000)
    denoiser = Denoiser(8000, quarter, bypass=True)
    assert snr_db(samples, stream(denoiser, samples)[denoiser.latency :]) > 120


@pytest.mark.parametrize("change", ["bypass", "attenuation_limit_db"])
def test_changes_are_soft(quarter, change):
    """A tone changes its amplitude over a whole step: its second difference stays that of a tone."""
    tone = np.sin(2 * np.pi * 200 / 8000 * np.arange(40_000)).astype(np.float32)
    denoiser = Denoiser(8000, quarter)
    first = denoiser.process(tone[:20_000])
    setattr(denoiser, change, {"bypass": True, "attenuation_limit_db": 0.0}[change])
    out = np.concatenate([first, denoiser.process(tone[20_000:])])
    assert np.abs(out[8000:16_000]).max() == pytest.approx(0.25, abs=1e-3)
    assert np.abs(out[-8000:]).max() == pytest.approx(1.0, abs=1e-3)
    most = (2 * np.pi * 200 / 8000) ** 2
    assert np.abs(np.diff(out[4000:], 2)).max() < 1.1 * most


def test_above_8_khz_sound_is_converted_and_stays_aligned(unchanged, speechlike):
    samples = speechlike(96_000, 48000)
    low = np.fft.rfft(samples)
    low[int(3400 / 24000 * len(low)) :] = 0
    low = np.fft.irfft(low, len(samples)).astype(np.float32)
    assert snr_db(low, denoise(low, 48000, unchanged)) > 40
    tone = np.sin(2 * np.pi * 6000 / 48000 * np.arange(96_000)).astype(np.float32)
    assert np.abs(denoise(tone, 48000, unchanged)[10_000:-10_000]).max() < 1e-2
