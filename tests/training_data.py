"""A small world to train in: bursts of harmonics as speech, noise as noise, a click with a tail as a room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from train.config import AdversarialConfig, MixConfig, NetConfig, TrainConfig

TINY = TrainConfig(
    net=NetConfig(channels=(8, 16), core_blocks=1, mixer_hidden=8),
    mix=MixConfig(crop_seconds=0.512),
    batch=2,
    warm_up_steps=2,
    ema_steps=5.0,
    lead=2,
    mixing="host",
    device_rooms=8,
    device_noises=8,
    adversarial=AdversarialConfig(windows=(256, 512), channels=4, head_start_steps=2),
)


def speech_like(rng: np.random.Generator, seconds: float, rate: int = 16000) -> np.ndarray:
    """Syllables: harmonics of 90 to 250 Hz, five a second, with pauses."""
    out = np.zeros(int(seconds * rate), np.float32)
    for start in range(0, len(out) - rate // 5, rate // 5):
        if rng.random() < 0.25:
            continue
        time = np.arange(rate // 6) / rate
        pitch = rng.uniform(90, 250)
        tones = sum(rng.random() / k * np.sin(2 * np.pi * pitch * k * time) for k in range(1, 12))
        out[start : start + len(time)] = 0.1 * tones * np.hanning(len(time))
    return out


def make_data(folder: Path, with_valid: bool = False) -> Path:
    """``folder`` with clean/, noise/, rir/ and, if wanted, valid/."""
    rng = np.random.default_rng(0)
    for kind in ("clean", "noise", "rir"):
        (folder / kind).mkdir(parents=True)
    for i in range(2):
        soundfile.write(folder / "clean" / f"voice-{i}.wav", speech_like(rng, 4), 16000)
        soundfile.write(folder / "noise" / f"hiss-{i}.flac", 0.1 * rng.standard_normal(22050 * 3).clip(-3, 3), 22050)
    tail = rng.standard_normal(3000) * np.exp(-np.arange(3000) / 500) * 0.2
    soundfile.write(folder / "rir" / "room.wav", np.concatenate([np.zeros(50), [0.9], tail]), 16000)
    if with_valid:
        for kind in ("clean", "noisy"):
            (folder / "valid" / kind).mkdir(parents=True)
        for i, snr in enumerate((0, 10)):
            clean = speech_like(rng, 2)
            noise = rng.standard_normal(len(clean)) * clean.std() * 10 ** (-snr / 20)
            soundfile.write(folder / "valid" / "clean" / f"v{i}_snr{snr:+d}.wav", clean, 16000)
            soundfile.write(folder / "valid" / "noisy" / f"v{i}_snr{snr:+d}.wav", (clean + noise).clip(-1, 1), 16000)
    return folder
