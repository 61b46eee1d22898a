"""Noisy speech made on the fly: every step new, every batch a function of the seed and its number."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import queue
import signal
import threading
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from .config import MixConfig
from .data import RATE, Corpus
from .errors import TrainingError
from .material import Material, load_material
from .material import load_rooms as load_rooms

Float32 = NDArray[np.float32]


def power(samples: Float32) -> float:
    """Mean square."""
    return float(np.mean(np.square(samples, dtype=np.float64)))


def active_power(speech: Float32, frame: int = 320) -> float:
    """Mean square over the 20 ms frames within 25 dB of the loud ones: the level of speech without its pauses."""
    frames = np.square(speech[: len(speech) // frame * frame].reshape(-1, frame), dtype=np.float64).mean(axis=1)
    loud = np.percentile(frames, 95)
    return float(frames[frames >= loud * 10**-2.5].mean())


def from_db(level: float) -> float:
    """Amplitude ratio of a level in dB."""
    return float(10 ** (level / 20))


class Recordings:
    """Crops of a corpus, drawn by the sets' weights and by energy."""

    def __init__(self, corpus: Corpus, weights: dict[str, float]) -> None:
        self.corpus = corpus
        lengths = np.diff(corpus.bounds)
        chance = lengths * np.array([weights.get(name, 1.0) for name in corpus.sets])
        self.chance = chance / chance.sum()

    def crop(self, rng: np.random.Generator, n: int, floor_dbfs: float) -> Float32:
        """``(n,)`` float32, louder than ``floor_dbfs`` if eight draws find such; short recordings are repeated."""
        for _ in range(8):
            i = rng.choice(len(self.chance), p=self.chance)
            start, end = self.corpus.bounds[i : i + 2]
            if end - start >= n:
                start += rng.integers(end - start - n + 1)
                samples = self.corpus.samples[start : start + n]
            else:
                samples = np.resize(self.corpus.samples[start:end], n)
            crop = samples.astype(np.float32) / 32768
            if power(crop) > from_db(floor_dbfs) ** 2:
                break
        return crop - crop.mean()


def coloured_noise(rng: np.random.Generator, n: int) -> Float32:
    """White to brown noise: a power spectrum that falls with a random slope, 0 to 7 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.maximum(np.arange(len(spectrum)) / len(spectrum), 20 / (RATE / 2))
    return np.fft.irfft(spectrum * frequency ** -rng.uniform(0.0, 1.2), n).astype(np.float32)


def hum(rng: np.random.Generator, n: int) -> Float32:
    """Mains hum and machines: a few dozen harmonics of 45 to 250 Hz over a little coloured noise."""
    base = rng.choice([50.0, 60.0, rng.uniform(45, 250)])
    time = np.arange(n) / RATE
    tones = np.zeros(n)
    for k in range(1, rng.integers(3, 25)):
        tones += rng.exponential() / k * np.sin(2 * np.pi * (base * k * time + rng.random()))
    noise = coloured_noise(rng, n)
    return (tones / tones.std() + noise / noise.std() * rng.uniform(0.05, 1.0)).astype(np.float32)


def clicks(rng: np.random.Generator, n: int) -> Float32:
    """Keys, mouse and knocks: short decaying bursts at random times."""
    out = np.zeros(n + 4000, np.float32)
    for _ in range(rng.integers(2, 16)):
        length = int(rng.uniform(0.002, 0.06) * RATE)
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (length * 0.2)) * rng.exponential()
        at = rng.integers(n)
        out[at : at + length] += burst
    return out[:n] + 1e-4 * coloured_noise(rng, n)


def babble(rng: np.random.Generator, n: int, speech: Recordings) -> Float32:
    """Five to twelve voices at once, of which none can be followed."""
    voices = [speech.crop(rng, n, -45) for _ in range(rng.integers(5, 13))]
    return np.sum(
        [v / np.sqrt(power(v) + 1e-9) * from_db(rng.uniform(-8, 0)) for v in voices], axis=0, dtype=np.float32
    )


def synthetic_noise(rng: np.random.Generator, n: int, speech: Recordings) -> Float32:
    """``(n,)``, at any level: what noise recordings hold too little of."""
    kind = rng.choice(4, p=[0.35, 0.2, 0.15, 0.3])
    return babble(rng, n, speech) if kind == 3 else [coloured_noise, hum, clicks][kind](rng, n)


def room_response(rng: np.random.Generator, measured: list[Float32]) -> Float32:
    """A room: one that was measured, or decaying noise after a direct sound (0.1 to 0.8 s to -60 dB)."""
    if measured and rng.random() < 0.25:
        response = measured[rng.integers(len(measured))]
    else:
        decay = rng.uniform(0.1, 0.8)
        n = int(decay * RATE)
        response = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
        response *= (rng.random(n) < np.linspace(0.02, 1.0, n)) * from_db(rng.uniform(-26, -10))
        response[0] = 1.0
    return np.asarray(response, np.float32)


class Mixer:
    """Makes examples after a ``MixConfig`` from speech, noise and rooms."""

    def __init__(self, config: MixConfig, speech: Corpus, noise: Corpus, rooms: list[Float32]) -> None:
        self.config, self.rooms = config, rooms
        self.speech = Recordings(speech, config.speech_weights)
        self.noise = Recordings(noise, config.noise_weights)

    def _changed_speed(self, rng: np.random.Generator, source: Recordings, n: int, floor: float) -> Float32:
        if rng.random() >= self.config.speed_changed:
            return source.crop(rng, n, floor)
        import soxr

        ratio = rng.uniform(*self.config.speed)
        longer = source.crop(rng, int(n * ratio) + 64, floor)
        return np.asarray(soxr.resample(longer, ratio, 1.0, quality="LQ")[:n], np.float32)

    def _coloured(self, rng: np.random.Generator, samples: Float32) -> Float32:
        """Random second-order filter of Valin 2018 (RNNoise), equation 7."""
        if rng.random() >= self.config.colour:
            return samples
        b, a = rng.uniform(-0.375, 0.375, (2, 2))
        return np.asarray(lfilter([1, *b], [1, *a], samples), np.float32)

    def _one_noise(self, rng: np.random.Generator, n: int) -> Float32:
        if rng.random() < self.config.synthetic_noise:
            noise = synthetic_noise(rng, n, self.speech)
        else:
            noise = self._changed_speed(rng, self.noise, n, -55)
        noise = self._coloured(rng, noise)
        return noise / np.float32(np.sqrt(power(noise)) + 1e-9)

    def _noise(self, rng: np.random.Generator, n: int) -> Float32:
        noise = self._one_noise(rng, n)
        if rng.random() < self.config.second_noise:
            noise = noise + self._one_noise(rng, n) * from_db(rng.uniform(-10, 3))
        if rng.random() < self.config.noise_change:
            at, fade = rng.integers(n), np.zeros(n, np.float32)
            fade[at:] = np.minimum(np.arange(n - at) / 400, 1)
            noise = noise * (1 - fade) + self._one_noise(rng, n) * from_db(rng.uniform(-15, 5)) * fade
        return noise

    def example(self, rng: np.random.Generator) -> tuple[Float32, Float32]:
        """One example: ``(noisy, clean)``, each ``(crop_seconds * 16000,)`` float32 in -1..1."""
        c = self.config
        n = int(c.crop_seconds * RATE)
        speech = self._coloured(rng, self._changed_speed(rng, self.speech, n, -45))
        target = speech
        if rng.random() < c.room:
            response = room_response(rng, self.rooms)
            early = response[: int(c.early_seconds * RATE)]
            speech, target = fftconvolve(speech, response)[:n], fftconvolve(speech, early)[:n]
        noise = self._noise(rng, n)
        kind = rng.random()
        speech_gain = 1 / np.sqrt(active_power(speech) + 1e-9)
        noise_gain = from_db(-rng.uniform(*c.snr_db))
        if kind < c.clean_only:
            noise_gain, speech = 0.0, target
        elif kind < c.clean_only + c.noise_only:
            speech_gain = 0.0
        noisy, target = speech * speech_gain + noise * noise_gain, target * speech_gain
        if rng.random() < c.level_jump:
            at, gain = rng.integers(n), from_db(rng.uniform(-20, 20))
            noisy[at:] *= gain
            target = target.copy()
            target[at:] *= gain
        if rng.random() < c.band_limited:
            noisy, target = _low_passed(rng, noisy), _low_passed(rng, target)
        gain = from_db(rng.uniform(*c.level_dbfs)) / np.sqrt(power(noisy) + 1e-9)
        gain = min(gain, 0.99 / max(np.abs(noisy).max(), np.abs(target).max(), 1e-6))
        noisy, target = noisy * gain, target * gain
        if rng.random() < c.clipped:
            limit = np.abs(noisy).max() * rng.uniform(0.3, 0.9)
            noisy = np.clip(noisy, -limit, limit)
        if rng.random() < c.offset:
            noisy = noisy + rng.uniform(-0.05, 0.05)
        return noisy.astype(np.float32), target.astype(np.float32)

    def batch(self, seed: int, number: int, size: int) -> tuple[Float32, Float32]:
        """Batch ``number`` of the run ``seed``: ``(noisy, clean)``, each ``(size, samples)`` float32."""
        rng = np.random.default_rng([seed, number])
        noisy, clean = zip(*(self.example(rng) for _ in range(size)), strict=True)
        return np.stack(noisy), np.stack(clean)


def _low_passed(rng: np.random.Generator, samples: Float32, cutoff: float = 4000.0) -> Float32:
    spectrum = np.fft.rfft(samples)
    spectrum[int(cutoff / (RATE / 2) * len(spectrum)) :] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def mixer_of(config: MixConfig, material: Material) -> Mixer:
    """A mixer of what a run hears."""
    return Mixer(config, material.speech, material.noise, material.rooms)


def _send_batches(
    pipe: Connection, config: MixConfig, data: Path, cache: Path, seed: int, size: int, numbers: Iterable[int]
) -> None:
    """What a mixing process does until nobody listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches every process; the training ends its mixers itself
    mixer = mixer_of(config, load_material(data, cache))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for number in numbers:
            pipe.send(mixer.batch(seed, number, size))


def _receive_batches(pipe: Connection, waiting: queue.Queue[tuple[Float32, Float32] | None]) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            waiting.put(pipe.recv())
    waiting.put(None)


class BatchStream:
    """Batches in their order, made ahead by other processes, which take turns; ``lead`` tells how many wait.

    Each process has a pipe of its own, so that one that is killed, even while it writes, is noticed: of a pool of
    processes, the rest would wait for it for ever.
    """

    def __init__(
        self, config: MixConfig, data: Path, cache: Path, *, seed: int, size: int, first: int, workers: int, lead: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.processes, self._waiting = [], []
        for turn in range(workers):
            here, there = context.Pipe(duplex=False)
            numbers = itertools.count(first + turn, workers)
            arguments = (there, config, data, cache, seed, size, numbers)
            self.processes.append(context.Process(target=_send_batches, args=arguments, daemon=True))
            self.processes[-1].start()
            there.close()
            self._waiting.append(queue.Queue(max(1, lead // workers)))
            threading.Thread(target=_receive_batches, args=(here, self._waiting[-1]), daemon=True).start()

    @property
    def lead(self) -> int:
        """Batches that are ready, at most ``lead``."""
        return sum(waiting.qsize() for waiting in self._waiting)

    def __iter__(self) -> Iterator[tuple[Float32, Float32]]:
        for waiting in itertools.cycle(self._waiting):
            batch = waiting.get()
            if batch is None:
                raise TrainingError("a process that mixes has died; is there too little memory?")
            yield batch

    def close(self) -> None:
        """Stop the processes."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
