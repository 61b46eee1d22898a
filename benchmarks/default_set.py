"""A tiny data set made on the spot, so that the benchmark runs on any machine with nothing downloaded.

Speech: the sentences that `rtdenoise demo` plays, synthesised by espeak-ng. Noise: made here. It shows that everything
works and which way a figure goes; figures to be quoted come from real recordings.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import soundfile
from numpy.typing import NDArray

from .dataset import RATE, Pair

Float64 = NDArray[np.float64]

SNRS_DB = (0.0, 10.0)
_SECONDS = 5.0
_SPEECH_DBFS = -26.0


def default_pairs() -> list[Pair]:
    """Two talks of five seconds, each in four kinds of noise at two SNRs: 16 pairs, the same in every run."""
    with resources.files("rtdenoise").joinpath("samples/demo_clean.flac").open("rb") as file:
        speech, _ = soundfile.read(file)
    n = int(_SECONDS * RATE)
    pairs = []
    for talk, clean in enumerate((speech[:n], speech[n : 2 * n])):
        clean = _at_rms(clean, 10 ** (_SPEECH_DBFS / 20))
        for kind, noise in _noises(np.random.default_rng(talk), speech, n).items():
            for snr_db in SNRS_DB:
                noisy = clean + _at_rms(noise, _rms(clean) * 10 ** (-snr_db / 20))
                name = f"talk{talk}_{kind}_snr{snr_db:+.0f}"
                pairs.append(Pair(name, clean.astype(np.float32), noisy.clip(-1, 1).astype(np.float32), snr_db, kind))
    return pairs


def _noises(rng: np.random.Generator, speech: Float64, n: int) -> dict[str, Float64]:
    time = np.arange(n) / RATE
    hum = sum(np.sin(2 * np.pi * 98 * k * time + k) / k for k in range(1, 6))
    knocks = np.convolve(rng.random(n) < 6 / RATE, rng.standard_normal(800) * np.exp(-np.arange(800) / 120))[:n]
    crowd = sum(np.roll(speech[::-1], rng.integers(len(speech)))[:n] for _ in range(6))
    return {
        "white": rng.standard_normal(n),
        "fan": _falling(rng, n) * (1 + 0.25 * np.sin(2 * np.pi * 11.5 * time)) + 0.5 * hum,
        "typing": 4 * knocks + 0.1 * _falling(rng, n),
        "babble": crowd,
    }


def _falling(rng: np.random.Generator, n: int) -> Float64:
    """Noise that falls by 3 dB an octave above 40 Hz, RMS about 1."""
    frequency = np.fft.rfftfreq(n, 1 / RATE)
    shape = np.where(frequency > 40, 1 / np.sqrt(np.maximum(frequency, 40)), 0)
    return _at_rms(np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n), 1.0)


def _rms(samples: Float64) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def _at_rms(samples: Float64, rms: float) -> Float64:
    return samples * (rms / _rms(samples))
