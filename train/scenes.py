"""Situations that pairs of noisy and clean speech do not show, put together from their speech and their noise.

All arrays are (n,) float32 at 16 kHz unless a name says otherwise; everything is the same in every run.
"""

from __future__ import annotations

import numpy as np

from benchmarks.dataset import RATE, DataError, Float32, Pair

from .mixing import active_power, from_db, power

SPEECH_DBFS = -26.0
#: Of silence before each utterance; so long that what was said before has died away.
GAP_SECONDS = 0.6
_FRAME = RATE // 100
#: Below the active level of the speech, this is no speech; quiet consonants lie above.
_SPOKEN_DB = -30.0


def at_level(speech: Float32, dbfs: float) -> Float32:
    """Speech with its active level (pauses do not count) at ``dbfs``; not clipped."""
    return (speech * (from_db(dbfs) / np.sqrt(active_power(speech) + 1e-20))).astype(np.float32)


def utterances(pairs: list[Pair]) -> list[Float32]:
    """The clean speech, no recording twice, each at ``SPEECH_DBFS``."""
    return [at_level(clean, SPEECH_DBFS) for clean in {pair.clean.tobytes(): pair.clean for pair in pairs}.values()]


def noises(pairs: list[Pair]) -> list[tuple[str, Float32]]:
    """What was added to the speech of each pair, at a mean square of 1, and its kind where the pair tells it.

    Raises:
        DataError: nothing was.
    """
    found = [(pair.noise or "recorded noise", pair.noisy - pair.clean) for pair in pairs]
    if not (found := [(kind, noise / np.sqrt(power(noise))) for kind, noise in found if power(noise) > 1e-12]):
        raise DataError("noisy/ holds what clean/ holds; recordings with noise in them are wanted there")
    return found


def talk(pairs: list[Pair], seconds: float) -> Float32:
    """Utterances one after the other, digital silence of ``GAP_SECONDS`` before each: at most ``seconds``, and where
    there are too few, at least ten with repetitions."""
    gap = np.zeros(_n(GAP_SECONDS), np.float32)
    everything = np.concatenate([part for speech in utterances(pairs) for part in (gap, speech)])
    return np.resize(everything, min(_n(seconds), max(_n(10), len(everything))))


def in_their_noise(speech: Float32, pairs: list[Pair], snr_db: float) -> Float32:
    """Speech with the noises of the pairs, the last pair's first, so that no utterance meets the one it came with."""
    return in_noise(speech, np.resize(np.concatenate([noise for _, noise in noises(pairs)][::-1]), len(speech)), snr_db)


def in_noise(speech: Float32, noise: Float32, snr_db: float) -> Float32:
    """Their sum; the SNR is that of the speech's active level."""
    gain = from_db(-snr_db) * np.sqrt(active_power(speech) / power(noise))
    return (speech + noise * gain).astype(np.float32)


def babble(speech: Float32, talkers: int) -> Float32:
    """As many other talkers: the same stream of utterances, each talker somewhere else in it."""
    return np.sum([np.roll(speech, k * len(speech) // (talkers + 1)) for k in range(1, talkers + 1)], axis=0)


def word_beginnings(speech: Float32, seconds: float = 0.1, pause_seconds: float = 0.25) -> list[slice]:
    """The first ``seconds`` of words, where somebody speaks up after a pause of at least ``pause_seconds``.

    Breaths do not count: the level over ``seconds`` is within 15 dB of that of the speech.
    """
    level = active_power(speech)
    frames = np.square(speech[: len(speech) // _FRAME * _FRAME].reshape(-1, _FRAME), dtype=np.float64).mean(axis=1)
    spoken = frames > level * from_db(_SPOKEN_DB) ** 2
    pause, n = int(pause_seconds * RATE / _FRAME), _n(seconds)
    starts = [i * _FRAME for i in np.flatnonzero(spoken) if i >= pause and not spoken[i - pause : i].any()]
    parts = [slice(start, start + n) for start in starts if start + n <= len(speech)]
    return [part for part in parts if power(speech[part]) > level * from_db(-15) ** 2]


def music(seconds: float) -> Float32:
    """A band: plucked chords, a bass and a drum, 110 beats a minute; mean square of 1."""
    rng, n = np.random.default_rng(0), _n(seconds)
    beat = int(RATE * 60 / 110)
    time = np.arange(2 * beat) / RATE
    out = np.zeros(n + 2 * beat)
    for number, start in enumerate(range(0, n, beat)):
        root = 110 * 2 ** ([0, 5, 7, 3][number // 4 % 4] / 12)
        for semitones in (-12, 0, 4, 7, 12 + rng.choice([0, 2, 4, 7])):
            pitch = root * 2 ** (semitones / 12)
            for k in range(1, 9):
                out[start : start + len(time)] += np.exp(-time * (2 + k)) / k * np.sin(2 * np.pi * pitch * k * time)
        out[start : start + len(time)] += rng.standard_normal(len(time)) * np.exp(-time * 40)
    return (out[:n] / np.sqrt(power(out[:n]))).astype(np.float32)


def slam() -> Float32:
    """A door: a dull burst near full scale that has gone after 0.3 s."""
    rng, n = np.random.default_rng(0), int(0.3 * RATE)
    burst = np.convolve(rng.standard_normal(n), np.exp(-np.arange(200) / 20))[:n]
    burst *= np.exp(-np.arange(n) / (0.04 * RATE)) * np.linspace(1, 0, n)
    return (0.9 * burst / np.abs(burst).max()).astype(np.float32)


def shout(speech: Float32) -> Float32:
    """The loudest 0.4 s of the speech, 20 dB louder, within full scale."""
    n = int(0.4 * RATE)
    energy = np.convolve(np.square(speech, dtype=np.float64), np.ones(n), mode="valid")
    start = int(np.argmax(energy))
    loud = speech[start : start + n] * from_db(20) * np.hanning(n)
    return (loud * min(1.0, 0.9 / np.abs(loud).max())).astype(np.float32)


def full_band(speech: Float32) -> Float32:
    """Speech at 48 kHz that goes on above 8 kHz: folded there (Makhoul and Berouti 1979), fading out up to 16 kHz."""
    stuffed = np.zeros(3 * len(speech))
    stuffed[::3] = 3 * speech
    spectrum = np.fft.rfft(stuffed)
    frequency = np.fft.rfftfreq(len(stuffed), 1 / 48000)
    return np.fft.irfft(spectrum * np.clip((16000 - frequency) / 8000, 0, 1), len(stuffed)).astype(np.float32)


def band(samples: Float32, sample_rate: int, low: float, high: float) -> Float32:
    """What lies between two frequencies in Hz, by zeros in the spectrum of the whole."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    spectrum[(frequency < low) | (frequency >= high)] = 0
    return np.fft.irfft(spectrum, len(samples))


def _n(seconds: float) -> int:
    return int(seconds * RATE)
