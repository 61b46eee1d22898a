"""Hazard: examples mixed on the device that differ from those mixed on the host."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from training_data import TINY, make_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
device_mixing = pytest.importorskip("train.device_mixing", reason="training needs the extra [train]")
from train.config import MixConfig  # noqa: E402
from train.errors import DataError  # noqa: E402
from train.material import load_material  # noqa: E402
from train.mixing import active_power, mixer_of, power  # noqa: E402

NOTHING = dict.fromkeys(
    ("second_noise", "noise_change", "room", "colour", "band_limited", "clean_only", "noise_only", "clipped", "offset",
     "level_jump", "speed_changed", "synthetic_noise"), 0.0
)  # fmt: skip
SIZE = 64


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return load_material(make_data(tmp_path_factory.mktemp("data"), True), tmp_path_factory.mktemp("cache"))


def configured(**changes):
    return dataclasses.replace(TINY, mix=MixConfig(**{"crop_seconds": 0.512, **changes}), device_rooms=64)


def made(material, config, batches=1):
    mixer = device_mixing.DeviceMixer(config, material)
    parts = [mixer.batch(3, i, SIZE) for i in range(batches)]
    return [np.concatenate([np.asarray(part[i]) for part in parts]) for i in (0, 1)]


def statistics(noisy, clean):
    """What one would notice: per example, so that the two mixers' distributions can be compared."""
    noise = noisy - clean
    spectra = np.abs(np.fft.rfft(noisy)) ** 2 + 1e-12
    bins = spectra.shape[1]
    spoken = clean.any(axis=1) & (np.abs(noise).max(axis=1) > 1e-6)
    snr = [10 * np.log10(active_power(c) / power(n)) for c, n in zip(clean[spoken], noise[spoken], strict=True)]
    lower, upper = spectra[:, bins // 16 : bins // 4].mean(1), spectra[:, bins // 4 : bins // 2].mean(1)
    peak = np.abs(noisy).max(axis=1, keepdims=True)
    return {
        "SNR in dB": np.array(snr),
        "level in dBFS": 10 * np.log10(np.mean(noisy**2, axis=1)),
        "tilt in dB": 10 * np.log10(lower / upper),
        "clean only": np.all(np.abs(noise) < 1e-6, axis=1),
        "noise only": ~clean.any(axis=1),
        "at the peak": (np.abs(noisy) > 0.999 * peak).sum(axis=1) > 20,
        "mean": np.abs(noisy.mean(axis=1)) > 2e-3,
        "band limited": spectra[:, bins // 2 + 2 :].mean(1) < 1e-6 * spectra.mean(1),
    }  # fmt: skip


def test_both_mixers_draw_from_the_same_distributions(material):
    config = configured(clean_only=0.15, noise_only=0.15, clipped=0.2, offset=0.2)
    device = statistics(*made(material, config, 6))
    host = statistics(*mixer_of(config.mix, material).batch(4, 0, 6 * SIZE))
    for name in ("SNR in dB", "level in dBFS", "tilt in dB"):
        a, b = device[name], host[name]
        # 4 standard errors of the difference of two means; spreads within a quarter.
        assert abs(a.mean() - b.mean()) < 4 * np.hypot(a.std(), b.std()) / np.sqrt(min(len(a), len(b))), name
        assert 0.75 < a.std() / b.std() < 1.33, name
    for name in ("clean only", "noise only", "at the peak", "mean", "band limited"):
        a, b = device[name].mean(), host[name].mean()
        assert abs(a - b) < 4 * np.sqrt(2 * max(a, b) * (1 - min(a, b)) / (6 * SIZE)) + 0.01, name
        assert b > 0.05, f"{name}: the test would not notice"


def test_ratio_and_level_are_those_asked_for(material):
    noisy, clean = made(material, configured(**NOTHING, snr_db=(5.0, 5.0), level_dbfs=(-35.0, -35.0)))
    snr = [10 * np.log10(active_power(c) / power(n - c)) for n, c in zip(noisy, clean, strict=True)]
    np.testing.assert_allclose(snr, 5.0, atol=0.1)
    np.testing.assert_allclose(10 * np.log10(np.mean(noisy**2, axis=1)), -35.0, atol=0.1)


def test_a_crop_at_its_own_speed_is_the_recording(material):
    config = configured(**NOTHING | {"clean_only": 1.0})
    mixer = device_mixing.DeviceMixer(config, material)
    plan = mixer.planner.draw(np.random.default_rng([3, 0]), SIZE, mixer.n)
    _, clean = mixer.batch(3, 0, SIZE)
    recordings = np.asarray(material.speech.samples, np.float64)
    for i in range(4):
        base, length, start = (int(getattr(plan, name)[0, i]) for name in ("base", "length", "start"))
        crop = recordings[base + (start + np.arange(mixer.n)) % length]
        crop -= crop.mean()
        assert np.corrcoef(crop, np.asarray(clean)[i])[0, 1] > 0.99999


def test_another_speed_moves_the_pitch(material):
    time = np.arange(len(material.speech.samples)) / 16000
    tone = (8000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    speech = dataclasses.replace(material.speech, samples=tone)
    config = configured(**NOTHING | {"clean_only": 1.0, "speed_changed": 1.0}, speed=(1.1, 1.1))
    _, clean = made(dataclasses.replace(material, speech=speech), config)
    spectrum = np.abs(np.fft.rfft(clean[0] * np.hanning(clean.shape[1])))
    assert np.argmax(spectrum) * 16000 / clean.shape[1] == pytest.approx(1100, abs=3)
    others = np.delete(spectrum, range(np.argmax(spectrum) - 8, np.argmax(spectrum) + 9))
    assert others.max() < 0.003 * spectrum.max()


def test_the_room_leaves_the_early_sound_as_target_and_clean_only_has_none(material):
    noisy, clean = made(material, configured(**NOTHING | {"room": 1.0}, snr_db=(200.0, 200.0)))
    assert np.mean((noisy - clean) ** 2) > 1e-3 * np.mean(clean**2)
    noisy, clean = made(material, configured(**NOTHING | {"room": 1.0, "clean_only": 1.0}))
    np.testing.assert_allclose(noisy, clean, atol=1e-6)


def test_every_option_on_stays_finite_and_within_full_scale_and_repeats(material):
    on = dict.fromkeys(set(NOTHING) - {"clean_only", "noise_only", "synthetic_noise"}, 1.0)
    config = configured(**on, synthetic_noise=0.5)
    first, second = made(material, config), made(material, config)
    for a, b in zip(first, second, strict=True):
        assert a.dtype == np.float32
        assert np.isfinite(a).all()
        assert np.abs(a).max() <= 1.05  # an offset of 0.05 comes last
        np.testing.assert_array_equal(a, b)
    assert (np.abs(first[0]).max(axis=1) > 1e-4).all()


def test_batches_come_in_their_order(material):
    config = configured()
    mixer = device_mixing.DeviceMixer(config, material)
    batches = device_mixing.DeviceBatches(mixer, seed=1, size=SIZE, first=5)
    for number, (noisy, _) in zip((5, 6), batches, strict=False):
        np.testing.assert_array_equal(np.asarray(noisy), np.asarray(mixer.batch(1, number, SIZE)[0]))
    batches.close()


def test_more_audio_than_can_be_addressed_is_refused():
    device_mixing.check_size(2**31 - 1)
    with pytest.raises(DataError, match="37 hours of audio are more"):
        device_mixing.check_size(2**31)
