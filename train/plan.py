"""What is drawn for a batch that is mixed on the device: small arrays of numbers, made by numpy in a millisecond.

The recordings' samples are on the device; here are only the energies of their parts, to draw crops that are not silent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .config import MixConfig
from .data import Corpus
from .mixing import Recordings, synthetic_noise

#: Samples over which energies are kept.
PART = 160
#: Sources of an example: the speech, its noise, a second noise, and the one that the noise changes into.
SOURCES = 4


class Plan(NamedTuple):
    """Numbers for ``size`` examples; float32 and int32, ``(sources, size)`` or ``(size,)``."""

    base: NDArray[np.int32]  #: where each source's recording begins
    length: NDArray[np.int32]  #: of the recording, which is repeated if it is too short
    start: NDArray[np.int32]  #: of the crop in it
    ratio: NDArray[np.float32]  #: playing speed
    colour: NDArray[np.float32]  #: ``(sources, size, 4)``: b1, b2, a1, a2 of a second-order filter
    room: NDArray[np.int32]  #: 0 is none
    second_gain: NDArray[np.float32]  #: of the second noise
    change_at: NDArray[np.int32]  #: sample at which the noise becomes another
    change_gain: NDArray[np.float32]
    noise_gain: NDArray[np.float32]
    speech_on: NDArray[np.float32]
    early_only: NDArray[np.float32]  #: 1: without the late part of the room
    jump_at: NDArray[np.int32]  #: sample at which the level jumps
    jump_gain: NDArray[np.float32]
    low_passed: NDArray[np.float32]
    level: NDArray[np.float32]  #: root mean square of the mixture
    clip_at: NDArray[np.float32]  #: share of the peak
    offset: NDArray[np.float32]


class Places:
    """Where crops of a corpus can be taken, by its sets' weights and by energy.

    Args:
        corpus: recordings.
        weights: how much more often than by its minutes a set is drawn.
        base: where the corpus begins in the array on the device.
    """

    def __init__(self, corpus: Corpus, weights: dict[str, float], base: int) -> None:
        self.cumulative = np.cumsum(Recordings(corpus, weights).chance)
        self.starts, self.lengths, self.base = corpus.bounds[:-1], np.diff(corpus.bounds), base
        parts = len(corpus.samples) // PART
        energy = np.empty(parts)
        for at in range(0, parts, 100_000):  # a piece at a time: the corpus may be larger than the memory
            piece = corpus.samples[at * PART : min(at + 100_000, parts) * PART].reshape(-1, PART)
            energy[at : at + len(piece)] = np.square(piece, dtype=np.float32).mean(axis=1)
        self.energy = np.concatenate([[0.0], np.cumsum(energy / 32768.0**2)])

    def draw(
        self, rng: np.random.Generator, needed: NDArray[np.int64], floor_dbfs: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Base, length and start of crops of ``needed`` samples: of eight draws the first above the floor."""
        draws = (8, len(needed))
        which = np.minimum(np.searchsorted(self.cumulative, rng.random(draws)), len(self.starts) - 1)
        length = self.lengths[which]
        start = (rng.random(draws) * np.maximum(length - needed + 1, 1)).astype(np.int64)
        first = (self.starts[which] + start) // PART
        last = np.maximum((self.starts[which] + start + np.minimum(needed, length)) // PART, first + 1)
        last = np.minimum(last, len(self.energy) - 1)
        first = np.minimum(first, last - 1)
        power = (self.energy[last] - self.energy[first]) / (last - first)
        chosen = np.argmax(np.vstack([power[:-1] > 10 ** (floor_dbfs / 10), np.ones((1, len(needed)), bool)]), axis=0)
        columns = np.arange(len(needed))
        which, start = which[chosen, columns], start[chosen, columns]
        return self.starts[which] + self.base, self.lengths[which], start


def synthetic_noises(rng: np.random.Generator, count: int, n: int, speech: Recordings) -> NDArray[np.int16]:
    """``(count, n)`` int16: each kind as often as the mixer on the host makes it."""
    rows = []
    for _ in range(count):
        noise = synthetic_noise(rng, n, speech)
        rows.append((noise / (np.abs(noise).max() + 1e-9) * 32767).astype(np.int16))
    return np.stack(rows)


class Planner:
    """Draws plans after a ``MixConfig``.

    Args:
        config: what is drawn how often.
        speech: places of speech.
        noise: places of noise.
        synthetic: base, length and number of the synthetic noises on the device.
        rooms: number of rooms on the device, the absent one included.
    """

    def __init__(
        self, config: MixConfig, speech: Places, noise: Places, synthetic: tuple[int, int, int], rooms: int
    ) -> None:
        self.config, self.speech, self.noise, self.synthetic, self.rooms = config, speech, noise, synthetic, rooms

    def draw(self, rng: np.random.Generator, size: int, n: int) -> Plan:
        """A plan for ``size`` examples of ``n`` samples."""
        c = self.config

        def chance(probability: float) -> NDArray[np.bool_]:
            return rng.random(size) < probability

        def gain(low: float, high: float) -> NDArray[np.float64]:
            return 10 ** (rng.uniform(low, high, size) / 20)

        base, length, start = np.zeros((3, SOURCES, size), np.int64)
        ratio, colour = np.ones((SOURCES, size)), np.zeros((SOURCES, size, 4))
        for i in range(SOURCES):
            ratio[i] = np.where(chance(c.speed_changed), rng.uniform(*c.speed, size), 1.0)
            needed = np.where(ratio[i] == 1.0, n, (n * ratio[i]).astype(np.int64) + 64)
            places, floor = (self.speech, -45) if i == 0 else (self.noise, -55)
            base[i], length[i], start[i] = places.draw(rng, needed, floor)
            if i > 0:
                made = chance(c.synthetic_noise)
                first, one, count = self.synthetic
                base[i] = np.where(made, first + one * rng.integers(count, size=size), base[i])
                length[i] = np.where(made, one, length[i])
                start[i] = np.where(made, rng.integers(max(one - n, 0) + 1, size=size), start[i])
                ratio[i] = np.where(made, 1.0, ratio[i])
            colour[i] = rng.uniform(-0.375, 0.375, (size, 4)) * chance(c.colour)[:, None]
        kind = rng.random(size)
        clean = kind < c.clean_only
        floats = {
            "ratio": ratio,
            "colour": colour,
            "second_gain": gain(-10, 3) * chance(c.second_noise),
            "change_gain": gain(-15, 5),
            "noise_gain": gain(-c.snr_db[1], -c.snr_db[0]) * ~clean,
            "speech_on": ~(~clean & (kind < c.clean_only + c.noise_only)),
            "early_only": clean,
            "jump_gain": gain(-20, 20),
            "low_passed": chance(c.band_limited),
            "level": gain(*c.level_dbfs),
            "clip_at": np.where(chance(c.clipped), rng.uniform(0.3, 0.9, size), 2.0),
            "offset": rng.uniform(-0.05, 0.05, size) * chance(c.offset),
        }
        integers = {
            "base": base,
            "length": length,
            "start": start,
            "room": rng.integers(1, max(self.rooms, 2), size) * chance(c.room),
            "change_at": np.where(chance(c.noise_change), rng.integers(n, size=size), n),
            "jump_at": np.where(chance(c.level_jump), rng.integers(n, size=size), n),
        }
        return Plan(
            **{name: np.asarray(value, np.float32) for name, value in floats.items()},
            **{name: np.asarray(value, np.int32) for name, value in integers.items()},
        )
