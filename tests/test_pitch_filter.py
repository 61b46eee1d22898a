"""Hazard: what filters after the mask touches clean speech, smears a voice, or computes something else than it says."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import tiny_models
from conftest import snr_db

from rtdenoise import Denoiser, denoise
from rtdenoise.agreement import PITCH_FILTER_WEIGHTS
from rtdenoise.comb_net import weight_count
from rtdenoise.config import NATIVE_RATES, STREAM_TRANSFORM
from rtdenoise.model import Model
from rtdenoise.pitch_filter import BANDS, FEATURES, PitchFilter, filter_hop, filter_hop_numpy, memory, parts, plan
from rtdenoise.stft import analyse_hop, design_windows

MODEL_BINS = STREAM_TRANSFORM.n_bins


@pytest.fixture(scope="module")
def filtered(tmp_path_factory):
    """``filtered(gain)``: the same gain in every bin, and the shipped pitch filter after it."""
    folder, weights = tmp_path_factory.mktemp("model"), Model.load("stream").metadata["pitch_filter"]
    return lambda gain: Model.load(tiny_models.save_constant(folder / f"{gain}.onnx", gain, pitch_filter=weights))


@pytest.fixture(scope="module")
def expanded(tmp_path_factory):
    """``expanded(gain)``: the same with a net that never lets the windows before count."""
    weights = np.zeros(PITCH_FILTER_WEIGHTS, "<f4")
    weights[-BANDS:] = -30.0
    folder, text = tmp_path_factory.mktemp("model"), base64.b64encode(weights.tobytes()).decode()
    return lambda gain: Model.load(tiny_models.save_constant(folder / f"{gain}.onnx", gain, pitch_filter=text))


def buzz(seconds: float, rate: int, pitch: float = 125.0) -> np.ndarray:
    """Harmonics of one steady pitch up to 3.5 kHz."""
    time = np.arange(round(seconds * rate)) / rate
    harmonics = np.arange(1, int(3500 / pitch))
    return (0.05 * np.cos(2 * np.pi * pitch * harmonics[:, None] * time + harmonics[:, None] ** 2).sum(axis=0)).astype(
        np.float32
    )


def hiss(n: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(5).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize("rate", NATIVE_RATES)
@pytest.mark.parametrize("strength", [1.0, 0.4, 0.0])
def test_kernel_and_twin_agree(rate, strength):
    transform = STREAM_TRANSFORM.at_rate(rate)
    model_window = design_windows(STREAM_TRANSFORM)[0].astype(np.float32)
    window = design_windows(transform)[0].astype(np.float32)
    planned = plan(STREAM_TRANSFORM, transform, model_window)
    history = np.zeros(2 * transform.window_length, "f")
    rng = np.random.default_rng(rate)
    weights = rng.normal(0, 0.3, PITCH_FILTER_WEIGHTS).astype(np.float32)
    samples = np.concatenate([buzz(0.4, rate), buzz(0.4, rate, 230) * 0.3, np.zeros(rate // 10)])
    samples = (samples + rng.standard_normal(len(samples)) * 0.03 * (samples != 0)).astype(np.float32)
    shared = min(transform.n_bins, MODEL_BINS)
    memories = [memory(STREAM_TRANSFORM, transform) for _ in range(2)]
    combed = closed = 0
    for start in range(0, len(samples) - transform.hop_length + 1, transform.hop_length):
        spectrum, frame = np.zeros(transform.n_bins, np.complex64), np.zeros(MODEL_BINS, np.complex64)
        hop = samples[start : start + transform.hop_length]
        analyse_hop(hop, history, window, np.zeros_like(window), spectrum, frame, 1.0)
        mask = (
            rng.uniform(0, rng.choice([0.2, 1.2]), MODEL_BINS) * np.exp(1j * rng.normal(0, 0.3, MODEL_BINS))
        ).astype(np.complex64)
        results = []
        for run, remembered in zip((filter_hop, filter_hop_numpy), memories, strict=True):
            s, m = spectrum.copy(), mask.copy()
            run(history, window, np.zeros_like(window), s, m, shared, strength, *planned, weights, *remembered)
            results.append((s, m))
        (s, m), (s_2, m_2) = results
        assert np.abs(s - s_2).max() <= 2e-4 * max(np.abs(s_2).max(), 1e-6)
        assert np.abs(m - m_2).max() < 1e-5
        for name, tolerance in (
            ("held", 1e-6),
            ("spoken", 1e-4),
            ("features", 1e-3),
            ("hidden", 1e-3),
            ("shares", 1e-3),
        ):
            np.testing.assert_allclose(
                *(getattr(parts(m.numbers), name) for m in memories), rtol=1e-5, atol=tolerance, err_msg=name
            )
        combed += not np.array_equal(s, spectrum)
        closed += not np.array_equal(m, mask)
        assert np.array_equal(s[shared:], spectrum[shared:]), "above the model nothing is known"
    assert closed > 5
    assert combed > 20 if strength else not combed


def test_files_hold_as_many_weights_as_the_net_has():
    assert weight_count(FEATURES, BANDS) == PITCH_FILTER_WEIGHTS


@pytest.mark.parametrize("rate", NATIVE_RATES)
def test_an_open_mask_leaves_everything_as_it_is(filtered, speechlike, rate):
    samples = speechlike(rate, rate)
    assert snr_db(samples, denoise(samples, rate, filtered(1.0))) > 100


@pytest.mark.parametrize("rate", NATIVE_RATES)
@pytest.mark.parametrize(("pitch", "least"), [(80.0, 1.4), (125.0, 1.9), (310.0, 2.7)])
def test_noise_between_the_harmonics_gets_quieter(filtered, constant, rate, pitch, least):
    voice = buzz(2.0, rate, pitch)
    noisy = voice + hiss(len(voice), 0.1 * (rate / 16000) ** 0.5)
    later = slice(rate // 2, None)
    before = snr_db(0.5 * voice[later], denoise(noisy, rate, constant(0.5))[later])
    out = denoise(noisy, rate, filtered(0.5))[later]
    reference = 0.5 * voice[later]
    assert snr_db(reference, np.sum(out * reference) / np.sum(out**2) * out) > before + least


def test_hiss_alone_is_not_combed(filtered, constant):
    samples = hiss(32000)
    mask_only, out = (denoise(samples, 16000, make(0.8)) for make in (constant, filtered))
    assert snr_db(mask_only, out) > 20


@pytest.mark.parametrize(
    ("gain", "low", "middle", "high"),
    [(0.3, -9.0, 0.0, 0.0), (0.1, -23.3, 0.0, -7.0), (0.015, -26.0, 0.0, -26.0)],
)
def test_a_nearly_closed_mask_is_closed_further(expanded, constant, gain, low, middle, high):
    samples = hiss(32000)
    spectra = [np.abs(np.fft.rfft(denoise(samples, 16000, make(gain)))) ** 2 for make in (constant, expanded)]

    def change_db(low: int, high: int) -> float:
        wanted, got = (spectrum[2 * low : 2 * high].sum() for spectrum in spectra)
        return float(10 * np.log10(got / wanted))

    assert change_db(450, 1150) == pytest.approx(low, abs=1.5)
    assert change_db(1300, 2300) == pytest.approx(middle, abs=0.5)
    assert change_db(2500, 6700) == pytest.approx(high, abs=1.0), "a twentieth is left at least"


def test_what_has_been_closed_opens_at_once_and_closes_slowly():
    window = design_windows(STREAM_TRANSFORM)[0].astype(np.float32)
    fresh = PitchFilter(STREAM_TRANSFORM, STREAM_TRANSFORM, window, np.zeros(PITCH_FILTER_WEIGHTS, np.float32))
    history, spectrum = hiss(512 + fresh.reach), np.fft.rfft(hiss(512) * window).astype(np.complex64)
    for gain, left in ((0.06, 0.003), (0.9, 0.9), (0.06, 0.06), (0.06, 0.06)):
        mask = np.full(MODEL_BINS, gain, np.complex64)
        fresh.run(history, window, np.zeros_like(window), spectrum.copy(), mask, MODEL_BINS, 1.0)
        assert mask[24].real == pytest.approx(left, rel=0.01)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_the_attenuation_limit_holds(filtered, rate):
    samples = buzz(1.0, rate) + hiss(rate, 0.05)
    assert snr_db(samples, denoise(samples, rate, filtered(0.3), attenuation_limit_db=0)) > 90
    bypassed = Denoiser(rate, filtered(0.3), bypass=True)
    out = np.concatenate([bypassed.process(samples), bypassed.flush()])[bypassed.latency :]
    assert snr_db(samples, out) > 100


def test_a_word_after_a_pause_begins_louder(expanded, constant):
    """By 0.15 of the 3.1 dB that the mask takes away, for some tens of ms; not in the middle of speech."""
    speech = np.concatenate([hiss(16000), np.zeros(16000, "f"), hiss(16000)])
    mask_only, out = (denoise(speech, 16000, make(0.7)) for make in (constant, expanded))

    def change_db(start: float, seconds: float = 0.03) -> float:
        part = slice(round(start * 16000), round((start + seconds) * 16000))
        return float(20 * np.log10(np.linalg.norm(out[part]) / np.linalg.norm(mask_only[part])))

    assert change_db(2.02) == pytest.approx(0.46, abs=0.1)
    assert change_db(2.3) == pytest.approx(0, abs=0.06)
    assert change_db(0.9) == pytest.approx(0, abs=0.02)
