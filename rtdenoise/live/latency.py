"""From what a user wants (``low``, ``high``, milliseconds) to block sizes and a prefill.

A live stream is late by what the input device holds, what waits in the rings, the engine, and what the output device
holds. Measured through PulseAudio's null sinks, the two devices hold about five blocks together, so the block decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..errors import ParameterError

#: Blocks shorter than this underrun on ordinary systems (64 samples at 48 kHz did).
_SHORTEST_BLOCK_SECONDS = 0.004
_LONG_BLOCK_SECONDS = 0.020
_BLOCKS_IN_DEVICES = 5
_SLOWER_AT_TIMES = 2.0


@dataclass(frozen=True)
class LatencyPlan:
    """What to ask of the devices and to keep in the rings.

    Attributes:
        block_length: samples of a callback, a power of two.
        driver_latency: ``"low"``, ``"high"`` or seconds, as sounddevice takes it.
        prefill: samples that wait in the rings at least, so that the worker has time.
        total: samples that devices and prefill together are to take, or ``None`` where the least will do.
    """

    block_length: int
    driver_latency: str | float
    prefill: int
    total: int | None = None

    def prefill_beside(self, device_seconds: float, sample_rate: int) -> int:
        """The prefill, in samples, once the devices have said what they hold, in seconds."""
        if self.total is None:
            return self.prefill
        return max(self.prefill, self.total - round(device_seconds * sample_rate))

    def with_hops_of(self, seconds: float, sample_rate: int) -> LatencyPlan:
        """The plan for an engine whose hops take so many seconds of work: what a long one keeps back is waited for."""
        work = math.ceil(_SLOWER_AT_TIMES * seconds * sample_rate)
        return self if work <= self.prefill else replace(self, prefill=self.prefill + work)


def plan_latency(latency: str | float, sample_rate: int) -> LatencyPlan:
    """The plan for a wish.

    Args:
        latency: ``"low"`` (the least that does not crackle: blocks of 4 to 8 ms), ``"high"`` (blocks of 20 to 40 ms,
            for a busy machine), or the milliseconds, 1 to 2000, that devices and prefill are to take together. What is
            below the least becomes the least; the engine's own latency comes on top.
        sample_rate: in Hz.

    Raises:
        ParameterError: anything else.
    """
    shortest = _power_of_two(_SHORTEST_BLOCK_SECONDS * sample_rate)
    if latency == "low":
        # One block in reserve lost 3 ms about once a second behind PulseAudio, whose callbacks come in bursts.
        return LatencyPlan(shortest, "low", 2 * shortest)
    if latency == "high":
        block = _power_of_two(_LONG_BLOCK_SECONDS * sample_rate)
        return LatencyPlan(block, "high", block)
    try:
        milliseconds = float(latency)
    except (TypeError, ValueError):
        milliseconds = math.nan
    if not 1 <= milliseconds <= 2000:
        raise ParameterError(f"latency={latency!r} is not possible; give low, high, or milliseconds from 1 to 2000")
    total = round(milliseconds / 1e3 * sample_rate)
    block = shortest
    while 2 * block * (_BLOCKS_IN_DEVICES + 1) <= total:
        block *= 2
    return LatencyPlan(block, 2 * block / sample_rate, shortest, total)


def _power_of_two(least: float) -> int:
    return 1 << (math.ceil(least) - 1).bit_length()
