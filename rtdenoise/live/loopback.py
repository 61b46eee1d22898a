"""The whole way through sound devices and engine, measured: chirps go out and come back, through a cable, the air, or a
monitor of the sound server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..engine import Denoiser, Float32
from ..model import Model
from .devices import DeviceInfo
from .session import Live

#: Time between two chirps.
PERIOD_SECONDS = 0.5
#: The longest latency that is found; short of the next chirp.
LONGEST_SECONDS = 0.45
_CHIRP_SECONDS = 0.03
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 3400.0
_LEVEL = 0.1  # of full scale: soft, for somebody may wear headphones
_SILENT = 1e-5
#: Normalised correlation from which on a sound counts as the one that was sent.
LIKENESS = 0.4


def chirps(sample_rate: int, seconds: float) -> Float32:
    """(n,) samples with a rising tone of 30 ms every half second."""
    time = np.arange(round(_CHIRP_SECONDS * sample_rate)) / sample_rate
    sweep = (_HIGHEST_HZ - _LOWEST_HZ) / _CHIRP_SECONDS
    chirp = _LEVEL * np.hanning(len(time)) * np.sin(2 * np.pi * (_LOWEST_HZ + sweep * time / 2) * time)
    samples = np.zeros(round(seconds * sample_rate), np.float32)
    period = round(PERIOD_SECONDS * sample_rate)
    for start in range(period // 4, len(samples) - len(chirp), period):
        samples[start : start + len(chirp)] = chirp
    return samples


@dataclass
class Delays:
    """How much later one signal is than another, piece by piece.

    Attributes:
        at_seconds: where each piece that was found begins in the first signal.
        seconds: its delay.
        lost: pieces that were not found again.
    """

    at_seconds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lost: int = 0

    @property
    def median_seconds(self) -> float:
        """NaN where nothing came back."""
        return float(np.median(self.seconds)) if self.seconds else float("nan")

    @property
    def spread_seconds(self) -> float:
        """Between the 5th and the 95th percentile; NaN where nothing came back."""
        if not self.seconds:
            return float("nan")
        low, high = np.percentile(self.seconds, (5, 95))
        return float(high - low)

    @property
    def drift_seconds_per_minute(self) -> float:
        """Slope of the line through all delays (Theil 1950: the median of all slopes, so that one jump is none)."""
        at, late = np.array(self.at_seconds), np.array(self.seconds)
        first, second = np.triu_indices(len(at), 1)
        if not len(first):
            return 0.0
        return float(60 * np.median((late[second] - late[first]) / (at[second] - at[first])))


def find_delays(sent: Float32, heard: Float32, sample_rate: int) -> Delays:
    """Find each half second of ``sent`` in ``heard``, by the peak of the normalised cross-correlation.

    Args:
        sent, heard: (n,) float32, on one clock.
        sample_rate: in Hz.
    """
    found, period, longest = Delays(), round(PERIOD_SECONDS * sample_rate), round(LONGEST_SECONDS * sample_rate)
    for start in range(0, min(len(sent), len(heard)) - 2 * period + 1, period):
        piece, place = sent[start : start + period], heard[start : start + 2 * period]
        if np.abs(piece).max() < _SILENT:
            continue
        size = 1 << (3 * period).bit_length()
        correlation = np.fft.irfft(np.fft.rfft(place, size) * np.conj(np.fft.rfft(piece, size)), size)[:longest]
        late = int(np.argmax(np.abs(correlation)))  # a device may turn the sign
        same = place[late : late + period]
        likeness = abs(correlation[late]) / max(float(np.linalg.norm(piece) * np.linalg.norm(same)), 1e-12)
        if likeness < LIKENESS:
            found.lost += 1
        else:
            found.at_seconds.append(start / sample_rate)
            found.seconds.append(late / sample_rate)
    return found


class _Chirping(Denoiser):
    """Does all the work of a Denoiser, but gives out chirps; keeps what it heard and what it said."""

    def __init__(self, sample_rate: int, model: str | Path | Model) -> None:
        self._track = chirps(sample_rate, 1.0)
        self.heard: list[Float32] = []
        self.said: list[Float32] = []
        self._place = 0
        super().__init__(sample_rate, model)

    def process(self, samples: ArrayLike) -> Float32:
        """See Denoiser."""
        out = super().process(samples)
        places = np.arange(self._place, self._place + len(out)) % len(self._track)
        out[:] = self._track[places]
        self._place += len(out)
        self.heard.append(np.array(samples, np.float32))
        self.said.append(out.copy())
        return out

    def flush(self) -> Float32:
        """See Denoiser; what was heard and said stays."""
        heard, said = self.heard, self.said
        tail = super().flush()
        self.heard, self.said = heard, said
        return tail

    def reset(self) -> None:
        """See Denoiser; begins anew."""
        super().reset()
        self.heard, self.said, self._place = [], [], 0


@dataclass(frozen=True)
class Loop:
    """What came of a measurement.

    Attributes:
        delays: of the way from the microphone through the engine to the loudspeakers, piece by piece.
        stated_seconds: what `Live` said of it.
        block_seconds: of a callback.
        report: all that `Live` counted.
    """

    delays: Delays
    stated_seconds: float
    block_seconds: float
    report: dict[str, Any]

    @property
    def found(self) -> bool:
        """Whether there is a loop: most chirps came back."""
        return len(self.delays.seconds) > self.delays.lost

    @property
    def agrees(self) -> bool:
        """Whether the truth is within one block of what was stated."""
        return abs(self.delays.median_seconds - self.stated_seconds) <= self.block_seconds


def measure_loop(
    source: str | int | DeviceInfo,
    sink: str | int | DeviceInfo,
    seconds: float,
    *,
    model: str | Path | Model = "stream",
    latency: str | float = "low",
    sample_rate: int | None = None,
) -> Loop:
    """Play soft chirps into ``sink`` and listen at ``source``, to which a cable, the air or a monitor leads back.

    The stream is that of `Live` to the last detail, but for what it plays. A sample that is played at once is heard
    again after the devices and the rings; the engine's own latency is known to the sample and comes on top.

    Raises:
        DeviceError, ParameterError, ModelError: see `Live`.
    """
    live = Live(source, sink, model=model, latency=latency, sample_rate=sample_rate)
    live.denoiser = chirping = _Chirping(live.sample_rate, live.denoiser.model)
    with live:
        settled = sum(map(len, chirping.heard))  # before that the rings found their level
        live.wait(seconds)
        report = live.report()
    said, heard = (np.concatenate([*parts, np.zeros(0, np.float32)]) for parts in (chirping.said, chirping.heard))
    delays = find_delays(said[settled:], heard[settled:], live.sample_rate)
    engine = live.denoiser.latency_seconds
    delays.seconds = [engine + late for late in delays.seconds]
    return Loop(delays, report["latency_ms"] / 1e3, report["block_length"] / live.sample_rate, report)
