"""What a running stream counts: load, lost samples, levels. Written by the audio threads, read by anybody.

Every number has one writer and is a plain attribute, so nothing here locks, and a reader may be a hop behind.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ParameterError

_LOWEST_LOAD, _HIGHEST_LOAD, _RESOLUTION = 1e-4, 1e3, 1.01
_LOG_LOWEST, _LOG_RESOLUTION = math.log(_LOWEST_LOAD), math.log(_RESOLUTION)
_LOUDEST = 1e6  # linear; what is above is no sound
_BINS = math.ceil((math.log(_HIGHEST_LOAD) - _LOG_LOWEST) / _LOG_RESOLUTION) + 1


class LoadHistogram:
    """How long hops took, as a share of the deadline, to 1 %, from 0.0001 to 1000, in memory that never grows.

    Bins are equally wide on a logarithmic scale. One thread records; anyone may ask.

    Args:
        deadline_seconds: the time between two hops; a load of 1 is a hop that took exactly that.
    """

    def __init__(self, deadline_seconds: float) -> None:
        if not deadline_seconds > 0:
            raise ParameterError(f"deadline_seconds={deadline_seconds} is not a time: give more than 0")
        self.deadline_seconds = deadline_seconds
        self.count = 0
        self.maximum = 0.0  # load, exact
        self._counts = [0] * _BINS

    def record(self, seconds: float) -> None:
        """Count one hop that took ``seconds``."""
        load = seconds / self.deadline_seconds
        place = 0
        if load > _LOWEST_LOAD:
            place = min(math.ceil((math.log(load) - _LOG_LOWEST) / _LOG_RESOLUTION), _BINS - 1)
        self._counts[place] += 1
        self.count += 1
        if load > self.maximum:
            self.maximum = load

    def percentile(self, percent: float) -> float:
        """The load that ``percent`` (0 to 100) of all hops stayed at or under, to 1 %; 0.0 before the first hop.

        Raises:
            ParameterError: ``percent`` is outside 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ParameterError(f"percent={percent} is outside 0 to 100")
        wanted = max(1, math.ceil(percent / 100 * self.count))
        seen = 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(_LOWEST_LOAD * _RESOLUTION**place, self.maximum)
        return self.maximum


class LevelMeter:
    """Peak and RMS level of the recent past: the peak falls by 20 dB a second, the RMS forgets with 0.3 s.

    Args:
        sample_rate: in Hz, what the fall is timed by.

    Attributes:
        peak: linear, 1.0 is full scale.
        energy: sum of the squares of all samples; between two looks it tells the level of just that time.
    """

    def __init__(self, sample_rate: int) -> None:
        self.peak = self.energy = 0.0
        self._power = 0.0
        self._sample_rate = sample_rate

    def update(self, samples: NDArray[np.float32]) -> None:
        """Take in ``samples``, shape ``(n,)`` float32; 0 samples change nothing."""
        if not len(samples):
            return
        peak = max(float(samples.max()), -float(samples.min()))
        if not peak < _LOUDEST:  # NaN, Inf or nonsense from a file: the engine makes it harmless, a level it has none
            return
        seconds = len(samples) / self._sample_rate
        self.peak = max(peak, self.peak * 10.0**-seconds)
        keep = math.exp(-seconds / 0.3)
        energy = float(np.dot(samples, samples))
        self.energy += energy
        self._power = keep * self._power + (1.0 - keep) * energy / len(samples)

    @property
    def rms(self) -> float:
        """Linear, 1.0 for a square wave of full scale."""
        return math.sqrt(self._power)

    @property
    def peak_db(self) -> float:
        """Peak in dB below full scale, -120 at the least."""
        return decibels(self.peak)

    @property
    def rms_db(self) -> float:
        """RMS in dB below full scale, -120 at the least."""
        return decibels(self.rms)


def decibels(amplitude: float) -> float:
    """A linear amplitude in dB re 1.0, -120 at the least."""
    return 20.0 * math.log10(max(amplitude, 1e-6))


class Stats:
    """Counters of one live stream. Samples are mono samples at ``sample_rate``.

    Args:
        sample_rate: in Hz.
        deadline_seconds: the time between two hops.
        output_rate: what counts played samples, in Hz; by default ``sample_rate``.
    """

    def __init__(self, sample_rate: int, deadline_seconds: float, output_rate: int | None = None) -> None:
        self.sample_rate = sample_rate
        self.output_rate = sample_rate if output_rate is None else output_rate
        self.load = LoadHistogram(deadline_seconds)
        self.input_level = LevelMeter(sample_rate)
        self.output_level = LevelMeter(sample_rate)
        # the input callback's, or the reading of a source that is no device
        self.samples_in = 0
        self.overruns = 0  # events: the input ring was full, the newest samples were lost
        self.overrun_samples = 0
        self.input_overflows = 0  # what the driver says it lost; it does not say how much
        # the output callback's, or the writing to a sink that is no device
        self.samples_out = 0
        self.underruns = 0  # events: the output ring was empty, zeros were played
        self.underrun_samples = 0
        self.output_underflows = 0  # what the driver says it missed
        self.late_samples = 0  # came after their moment and were thrown away, so that the latency stays
        self.latency_corrections = 0  # the ring's level had jumped and was set back: lost input, a stall
        self.latency_correction_samples = 0
        self.drift_corrections = 0  # times that the speed was set, once the clocks were found to differ
        self.drift_ppm = 0.0  # how much faster than the output's clock says it is played now, in millionths
        # the worker's
        self.deadline_misses = 0  # hops that took longer than a hop lasts
        self.dropped_samples = 0  # late already when the worker came to them: never processed
        self.overloads = 0  # events: deadlines were missed again and again, the dry signal stepped in
        self.engine_failures = 0  # events: the engine raised, the dry signal stepped in
        self.dry_samples = 0  # played with the dry signal in them, for either reason
        self.limited_samples = 0  # turned down, as something was above full scale
        self.real_time = False  # whether the worker goes before all ordinary threads
        # the supervisor's
        self.device_losses = 0  # events: a device had gone, and all was opened anew when it was back

    @property
    def hops(self) -> int:
        """Hops that went through the model."""
        return self.load.count

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, late or corrected."""
        losses = self.overruns + self.underruns + self.late_samples + self.dropped_samples + self.latency_corrections
        troubles = self.input_overflows + self.output_underflows + self.overloads + self.engine_failures
        return not (losses or troubles or self.device_losses)

    @property
    def overload_seconds(self) -> float:
        """How long the dry signal stood in for the engine."""
        return self.dry_samples / self.sample_rate

    def change_rates(self, sample_rate: int, output_rate: int) -> None:
        """Go on at other rates, as after a device came back: what was counted is counted in the new samples."""
        for name in ("samples_in", "overrun_samples", "dry_samples"):
            setattr(self, name, round(getattr(self, name) * sample_rate / self.sample_rate))
        for name in ("samples_out", "underrun_samples", "late_samples", "dropped_samples"):
            setattr(self, name, round(getattr(self, name) * output_rate / self.output_rate))
        for name in ("latency_correction_samples", "limited_samples"):
            setattr(self, name, round(getattr(self, name) * output_rate / self.output_rate))
        self.sample_rate, self.output_rate = sample_rate, output_rate
        self.input_level, self.output_level = LevelMeter(sample_rate), LevelMeter(sample_rate)

    def record_hops(self, hops: int, seconds: float) -> None:
        """Count ``hops`` hops that took ``seconds`` together."""
        for _ in range(hops):
            self.load.record(seconds / hops)
            if seconds / hops > self.load.deadline_seconds:
                self.deadline_misses += 1

    def as_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows. Levels in dB below full scale, loads as a share of the deadline."""
        load = self.load
        return {
            "real_time": self.real_time,
            "hops": self.hops,
            "deadline_ms": round(load.deadline_seconds * 1e3, 3),
            "deadline_misses": self.deadline_misses,
            "load": {
                "p50": round(load.percentile(50), 4),
                "p99": round(load.percentile(99), 4),
                "p99.9": round(load.percentile(99.9), 4),
                "max": round(load.maximum, 4),
            },
            "samples_in": self.samples_in,
            "samples_out": self.samples_out,
            "overruns": self.overruns,
            "overrun_samples": self.overrun_samples,
            "underruns": self.underruns,
            "underrun_samples": self.underrun_samples,
            "late_samples": self.late_samples,
            "dropped_samples": self.dropped_samples,
            "latency_corrections": self.latency_corrections,
            "latency_correction_samples": self.latency_correction_samples,
            "drift_corrections": self.drift_corrections,
            "drift_ppm": round(self.drift_ppm, 1),
            "overloads": self.overloads,
            "engine_failures": self.engine_failures,
            "overload_seconds": round(self.overload_seconds, 3),
            "limited_samples": self.limited_samples,
            "device_losses": self.device_losses,
            "input_overflows": self.input_overflows,
            "output_underflows": self.output_underflows,
            "input_peak_db": round(self.input_level.peak_db, 1),
            "input_rms_db": round(self.input_level.rms_db, 1),
            "output_peak_db": round(self.output_level.peak_db, 1),
            "output_rms_db": round(self.output_level.rms_db, 1),
        }

    def lines(self) -> list[str]:
        """The same for people, some aligned lines."""
        load, rate, output_rate = self.load, self.sample_rate, self.output_rate
        percentiles = ", ".join(f"{name} {load.percentile(p):.1%}" for name, p in (("p50", 50), ("p99", 99)))

        def lost(events: int, samples: int, rate: int = output_rate) -> str:
            return f"{events}" + (f" ({samples / rate * 1e3:.1f} ms)" if samples else "")

        return [
            f"hops       {self.hops} of {load.deadline_seconds * 1e3:g} ms, {self.deadline_misses} late",
            f"load       {percentiles}, p99.9 {load.percentile(99.9):.1%}, max {load.maximum:.1%}",
            f"sound      {self.samples_in / rate:.1f} s in, {self.samples_out / output_rate:.1f} s out",
            f"overruns   {lost(self.overruns, self.overrun_samples, rate)}, driver {self.input_overflows}",
            f"underruns  {lost(self.underruns, self.underrun_samples)}, driver {self.output_underflows}",
            f"late       {(self.late_samples + self.dropped_samples) / output_rate * 1e3:.1f} ms thrown away",
            f"latency    {lost(self.latency_corrections, self.latency_correction_samples)} corrections",
            f"drift      {self.drift_corrections} corrections, {self.drift_ppm:+.0f} ppm at the end",
            f"overload   {self.overload_seconds:.1f} s undenoised, {self.overloads} overloads, "
            f"{self.engine_failures} failures",
            *([f"devices    {self.device_losses} times lost and found"] if self.device_losses else []),
        ]
