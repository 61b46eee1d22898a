"""Whether the sound gets through a program between the bench's microphone and loudspeakers, and how late it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import pulse

RATE = 48000
_LISTEN_SECONDS = 4.5
WINDOW = RATE // 5
STEP = WINDOW // 2
_LONGEST_LATENCY = RATE // 4


@contextlib.contextmanager
def listening(server: pulse.Server, seconds: float = 8.0) -> Iterator[list[np.ndarray]]:
    """Noise for the microphone and a recording of both ends while the block runs."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * RATE)).astype(np.float32)
    server.start_playing(noise, "bench_player")
    with server.recording("bench.monitor", 2) as recorded:
        yield recorded


def locate_ms(recorded: np.ndarray, start: int) -> float | None:
    """By how much the speakers are behind the microphone at a sample of a recording; None while there is nothing."""
    speakers = recorded[start : start + WINDOW, 1].astype(np.float64)
    microphone = recorded[max(0, start - _LONGEST_LATENCY) : start + WINDOW, 0].astype(np.float64)
    size = 1 << (len(microphone) + len(speakers)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(microphone, size) * np.conj(np.fft.rfft(speakers, size)), size)
    correlation = correlation[: len(microphone) - len(speakers) + 1]
    norm = np.linalg.norm(speakers) * np.linalg.norm(microphone) * np.sqrt(len(speakers) / max(1, len(microphone)))
    if not norm or correlation.max() < 0.5 * norm:
        return None
    return (min(start, _LONGEST_LATENCY) - int(np.argmax(correlation))) / RATE * 1e3


@dataclass(frozen=True)
class Heard:
    """What came of listening.

    Attributes:
        back: seconds until the sound was there as before, and stayed; infinite where it was not.
        latency_ms: over the last second; NaN where there was no sound.
        levels: RMS of what the microphone and the speakers got.
    """

    back: float
    latency_ms: float
    levels: tuple[float, float]


def listen(
    server: pulse.Server,
    since: float,
    before_ms: float | None,
    tolerance_ms: float,
    seconds: float = _LISTEN_SECONDS,
) -> Heard:
    """Listen for a while, and count from ``since`` on until the latency is ``before_ms``, or what it is in the end."""
    with listening(server) as recording:
        begun = time.monotonic()  # the recorder has its first samples
        time.sleep(seconds)
    recorded = recording[0]
    lags = [locate_ms(recorded, start) for start in range(0, len(recorded) - WINDOW, STEP)]
    last = [lag for lag in lags[-RATE // STEP :] if lag is not None]
    latency = float(np.median(last)) if last else float("nan")
    wanted = latency if before_ms is None else before_ms
    good = [lag is not None and abs(lag - wanted) <= tolerance_ms for lag in lags]
    # the first moment from which on it stays so, but for single windows that a busy machine spoils
    first = next((i for i in range(len(good) - 4) if good[i] and sum(good[i : i + 5]) >= 4), None)
    back = float("inf") if first is None else begun - since + first * STEP / RATE
    levels = np.sqrt(np.mean(recorded**2, axis=0)) if len(recorded) else np.zeros(2)
    return Heard(back, latency, (float(levels[0]), float(levels[1])))
