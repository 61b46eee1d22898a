"""Examples of one context frame at 8 kHz, and the split that keeps voices and noises of validation out of training."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from rtdenoise.config import CONTEXT_TRANSFORM

from ..data import RATE, Corpus, load_corpus
from ..errors import DataError
from ..material import load_rooms
from ..mixing import Mixer, Recordings
from .config import UnetConfig

Float32 = NDArray[np.float32]


def group(set_name: str) -> str:
    """What must not be torn apart: a speaker's folder or set; in names as LibriSpeech's all chapters of a speaker, in
    names as ESC-50's all takes of a recording."""
    return re.sub(r"^(\d+)-\d+$|^(\d-\d+)-[A-Z]$", r"\1\2", set_name)


def held_out(corpus: Corpus, share: float, seed: int, what: str) -> set[str]:
    """Sets for validation: whole groups, drawn at random, with about ``share`` of the sound.

    Raises:
        DataError: there is one group only.
    """
    lengths: dict[str, int] = {}
    for name, length in zip(corpus.sets, np.diff(corpus.bounds), strict=True):
        lengths[group(name)] = lengths.get(group(name), 0) + int(length)
    if len(lengths) < 2:
        raise DataError(
            f"all {what} is of one set, {next(iter(lengths))!r}, so none can be held out for validation; put each "
            "speaker's or noise's files into a folder of its own"
        )
    names = sorted(lengths)
    np.random.default_rng(seed).shuffle(names)
    chosen: set[str] = set()
    total, room = sum(lengths.values()), share * sum(lengths.values())
    for name in names:
        if lengths[name] <= room * 1.2 and room > 0.02 * share * total:
            chosen.add(name)
            room -= lengths[name]
    chosen = chosen or {min(names, key=lengths.__getitem__)}
    return {name for name in corpus.sets if group(name) in chosen}


class SeedMixer:
    """Mixtures as the ancestor made them: any frame of speech, and any of noise, times a number, as recorded."""

    def __init__(self, config: UnetConfig, speech: Recordings, noise: Recordings) -> None:
        self.config, self.speech, self.noise = config, speech, noise

    def example(self, rng: np.random.Generator) -> tuple[Float32, Float32]:
        """``(noisy, clean)`` at 16 kHz."""
        n = round(self.config.mix.crop_seconds * RATE)
        speech = self.speech.crop(rng, n, -60)
        return speech + self.noise.crop(rng, n, -60) * rng.uniform(*self.config.noise_share), speech


class Frames:
    """Batches of context frames, each a function of seed and number.

    Args:
        config: of the run.
        data: folder with ``clean``, ``noise`` and, if there, ``rir``.
        cache: folder for decoded audio.
    """

    def __init__(self, config: UnetConfig, data: Path, cache: Path) -> None:
        self.config = config
        self.speech, self.noise = load_corpus(data / "clean", cache), load_corpus(data / "noise", cache)
        self.rooms = load_rooms(data / "rir") if config.recipe == "improved" else []
        self.held_out = {
            "speech": held_out(self.speech, config.validation_share, config.seed, "speech"),
            "noise": held_out(self.noise, config.validation_share, config.seed, "noise"),
        }
        self.training, self.validation = self._mixer(training=True), self._mixer(training=False)
        of_training = [name not in self.held_out["speech"] for name in self.speech.sets]
        self.training_samples = int(np.diff(self.speech.bounds)[of_training].sum())

    def _mixer(self, training: bool) -> Mixer | SeedMixer:
        weights = {}
        for kind, corpus in (("speech", self.speech), ("noise", self.noise)):
            usual = getattr(self.config.mix, f"{kind}_weights") if self.config.recipe == "improved" else {}
            allowed = {name for name in corpus.sets if (name in self.held_out[kind]) != training}
            weights[kind] = {name: usual.get(name, 1.0) if name in allowed else 0.0 for name in corpus.sets}
        if self.config.recipe == "seed":
            speech, noise = Recordings(self.speech, weights["speech"]), Recordings(self.noise, weights["noise"])
            return SeedMixer(self.config, speech, noise)
        mix = dataclasses.replace(self.config.mix, speech_weights=weights["speech"], noise_weights=weights["noise"])
        return Mixer(mix, self.speech, self.noise, self.rooms)

    def batch(self, number: int, size: int, training: bool = True) -> tuple[Float32, Float32]:
        """``(noisy, clean)``, each ``(size, context_length)`` float32 at 8 kHz."""
        rng = np.random.default_rng([self.config.seed, number, int(training)])
        mixer = self.training if training else self.validation
        pairs = [mixer.example(rng) for _ in range(size)]
        noisy, clean = (np.stack([_to_8_khz(pair[i]) for pair in pairs]) for i in (0, 1))
        return noisy, clean


def _to_8_khz(samples: Float32) -> Float32:
    wanted = CONTEXT_TRANSFORM.context_length
    halved = np.asarray(soxr.resample(np.asarray(samples, np.float32), RATE, CONTEXT_TRANSFORM.sample_rate), np.float32)
    return np.resize(halved, wanted) if len(halved) < wanted else halved[:wanted]
