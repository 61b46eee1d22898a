"""Hazard: a change that makes the shipped model worse. Floors on what it does to speech, through the engine.

On real recordings where RTDENOISE_DATA names a folder with valid/{clean,noisy}; skipped, and said, elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtdenoise import denoise
from rtdenoise.commands.demo import load_sample
from train.metrics import si_sdr_db


@pytest.fixture(scope="module")
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Every fifth pair of the validation set: ``(noisy, clean)``, all SNRs."""
    folder = os.environ.get("RTDENOISE_DATA")
    if not folder:
        pytest.skip("RTDENOISE_DATA does not name a folder with valid/clean and valid/noisy")
    noisy = sorted((Path(folder) / "valid" / "noisy").glob("*.flac"))[::3]
    assert noisy, f"{folder} holds no valid/noisy/*.flac"
    read = [(f, f.parent.parent / "clean" / f.name) for f in noisy]
    return [tuple(soundfile.read(f, dtype="float32")[0] for f in pair) for pair in read]


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


def test_the_demo_gets_better():
    sample = load_sample()
    before = si_sdr_db(sample.noisy, sample.clean)
    assert si_sdr_db(denoise(sample.noisy, sample.sample_rate), sample.clean) > before + 5


def test_noise_alone_gets_much_quieter():
    rng = np.random.default_rng(0)
    for level in (-50, -30):
        noise = (rng.standard_normal(16000 * 6) * 10 ** (level / 20)).astype(np.float32)
        assert level_db(denoise(noise, 16000)[32000:]) < level - 20


def test_clean_speech_is_left_alone_at_every_level():
    clean = load_sample().clean
    for level in (-45, -25, -10):
        speech = clean * 10 ** ((level - level_db(clean)) / 20)
        assert si_sdr_db(denoise(speech, 16000), speech) > 15


def test_real_pairs_get_better(pairs):
    gain = [si_sdr_db(denoise(noisy, 16000), clean) - si_sdr_db(noisy, clean) for noisy, clean in pairs]
    assert np.mean(gain) > 5


def test_real_clean_speech_is_left_alone(pairs):
    assert np.mean([si_sdr_db(denoise(clean, 16000), clean) for _, clean in pairs]) > 18
