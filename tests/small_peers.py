"""Denoisers whose effect is known, as adapters for the benchmark's real harness, and a small data set for them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
from training_data import speech_like

HEAD = """
import numpy as np
VARIANTS = {{"{name}": {settings}}}
REQUIREMENTS = {requirements}
SAMPLE_RATE = {rate}
BLOCK = {block}
"""

#: Gives out its input ``delay`` samples later, of which it holds back ``held`` and does not fill with zeros.
DELAY = """
class Stream:
    def __init__(self, delay=0, held=0):
        self.waiting = np.zeros(delay - held, np.float32)
        self.missing = held
    def process(self, samples):
        samples, n = np.concatenate([self.waiting, samples]), len(samples)
        ready = len(samples) - len(self.waiting) - self.missing if self.missing else n
        self.waiting, self.missing = samples[ready:], 0
        return samples[:ready]
"""


def write_adapter(folder, name, body, *, settings=None, requirements=(), rate=16000, block: int | None = 160) -> Path:
    """An adapter file of one row."""
    head = HEAD.format(name=name, settings=settings or {}, requirements=requirements, rate=rate, block=block)
    path = Path(folder) / f"{name}.py"
    path.write_text(head + body)
    return path


def end_on_silence(clean: np.ndarray, estimate: np.ndarray, **_: object) -> tuple[dict[str, float], dict[str, str]]:
    """A measure that takes its whole process with it."""
    if not estimate.any():
        os._exit(1)
    return {"SI-SDR": 1.0}, {}


def speech(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Syllables with a little breath, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    samples = speech_like(rng, seconds)
    return (samples + 1e-4 * rng.standard_normal(len(samples))).astype(np.float32)


def write_pairs(folder: Path, names: list[str], seconds: float = 2.0) -> Path:
    """``folder`` with clean/ and noisy/, a pair for each name."""
    for kind in ("clean", "noisy"):
        (folder / kind).mkdir(parents=True)
    for i, name in enumerate(names):
        clean = speech(seconds, i)
        noise = np.random.default_rng(100 + i).standard_normal(len(clean)) * clean.std()
        soundfile.write(folder / "clean" / f"{name}.wav", clean, 16000, "FLOAT")
        soundfile.write(folder / "noisy" / f"{name}.wav", clean + noise, 16000, "FLOAT")
    return folder
