"""Hazard: silence, extremes or broken numbers upset the arithmetic, or the stream after them."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import snr_db

from rtdenoise import Denoiser, ParameterError, denoise

RATES = [8000, 16000, 48000, 44100]

SIGNALS = {
    "silence": lambda n: np.zeros(n),
    "dc": lambda n: np.full(n, 0.7),
    "full scale": lambda n: np.where(np.arange(n) // 37 % 2, 1.0, -1.0),
    "denormals": lambda n: np.full(n, 1e-40),
    "fading out": lambda n: 0.97 ** np.arange(n),
    "nan": lambda n: np.full(n, np.nan),
    "inf": lambda n: np.full(n, -np.inf),
    "1e30": lambda n: np.full(n, 1e30),
    "largest float32": lambda n: np.full(n, np.finfo(np.float32).max),
    "beyond float32": lambda n: np.full(n, 1e300),
    "all sorts": lambda n: np.resize([0.1, np.nan, np.inf, -np.inf, 1e30, -1e-40, 0.0, 1.0], n),
}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", SIGNALS)
def test_finite_out_nothing_lost_and_well_afterwards(stateful, speechlike, rate, kind):
    samples = SIGNALS[kind](6000)
    out = denoise(samples, rate, stateful)
    assert out.shape == samples.shape
    assert np.isfinite(out).all()
    denoiser = Denoiser(rate, stateful)
    denoiser.process(samples)
    after = denoiser.process(speechlike(2 * rate, rate))
    assert np.isfinite(after).all()
    assert np.abs(after[-rate // 2 :]).max() > 1e-4, "the stream died"


@pytest.mark.parametrize("rate", RATES)
def test_silence_stays_silence(stateful, rate):
    assert not denoise(np.zeros(6000), rate, stateful).any()


def test_what_cannot_be_heard_counts_as_silence(leaky):
    assert not denoise(np.full(6000, 1e-30), 16000, leaky).any()


def test_clamped_at_1000_and_linear_below(identity):
    loud = np.full(6000, 1e30, np.float32)
    assert denoise(loud, 16000, identity)[1000:-1000] == pytest.approx(1000, rel=1e-5)
    below = np.full(6000, 999.0, np.float32)
    assert denoise(below, 16000, identity)[1000:-1000] == pytest.approx(999, rel=1e-5)


def test_a_broken_sample_is_a_zero_and_its_neighbours_are_untouched(identity, noise):
    samples = noise(4000)
    samples[1000] = np.nan
    out = denoise(samples, 16000, identity)
    samples[1000] = 0
    assert snr_db(samples, out) > 120


def test_double_precision_lists_and_other_byte_orders_are_cast(leaky, speechlike):
    samples = speechlike(3000)
    expected = denoise(samples, 16000, leaky)
    assert np.array_equal(denoise(samples.astype(np.float64), 16000, leaky), expected)
    assert np.array_equal(denoise(samples.tolist(), 16000, leaky), expected)
    assert np.array_equal(denoise(samples.astype(">f4"), 16000, leaky), expected)
    assert np.isfinite(denoise(samples.astype(np.float16), 16000, leaky)).all()


@pytest.mark.parametrize(
    ("dtype", "way_out"),
    [
        ("int16", r"int16.*astype\('float32'\) / 32768"),
        ("int32", r"int32.*astype\('float32'\) / 2147483648"),
        ("int64", r"int64.*astype\('float32'\) / 32768 if they are of 16 bits"),
        ("S2", r"S2.*convert to np.frombuffer\(samples, '<i2'\).* or take PcmDenoiser"),
        ("uint8", "uint8.*convert to float32"),
        ("bool", "bool.*convert to float32"),
        ("complex64", "complex64.*convert to float32"),
    ],
)
def test_other_types_are_refused_with_the_way_to_convert(leaky, dtype, way_out):
    for rate in (16000, 44100):
        with pytest.raises(ParameterError, match=way_out):
            Denoiser(rate, leaky).process(np.zeros(100, dtype))


@pytest.mark.parametrize("shape", [(), (10, 1), (10, 2), (0, 3)])
def test_a_denoiser_is_one_channel(leaky, shape):
    with pytest.raises(ParameterError, match=r"one channel of shape \(n,\)"):
        Denoiser(16000, leaky).process(np.zeros(shape, np.float32))


def test_a_refused_block_leaves_no_trace(leaky, speechlike):
    samples = speechlike(3000)
    denoiser = Denoiser(16000, leaky)
    first = denoiser.process(samples[:1000])
    with pytest.raises(ParameterError):
        denoiser.process(np.zeros(500, np.int16))
    out = np.concatenate([first, denoiser.process(samples[1000:])])
    assert np.array_equal(out, Denoiser(16000, leaky).process(samples))
