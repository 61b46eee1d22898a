"""Sample rates that the engine does not run at: one stateful soxr stream each way, aligned to the sample.

soxr in its variable-rate mode (at a constant rate here) gives samples out one by one: it holds back 240 samples of its
input, where the block filters of its fixed mode hold back 20 to 80 ms and then deliver them at once. Three things
follow from what that mode can do:

- Going up its phase is linear; going down it is not. So the way out, when the rate falls, goes up to twice the outer
  rate and drops every other sample. Nothing folds back: above half the outer rate there is nothing, as the signal came
  from that rate. On the way in from above 48 kHz there is something to filter out, so that one stream is a fixed one.
- Its output is shifted by a constant fraction of a sample, and so is that of the engine between the rates, whose hop is
  no whole number of outer samples. Both are made good once: the way out starts with a stretch of silence at a slightly
  other ratio, which leaves its phase where the whole path is late by a whole number of samples.
- All shifts and hold-backs are measured, not assumed: a pulse is sent through at the first construction for a rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SOXR_VERSION: str = soxr.__version__
#: Whether this soxr has the variable-rate mode. Voice-agent frameworks hold it at 1.0, which has not.
CAN_CONVERT = tuple(map(int, SOXR_VERSION.split(".")[:2])) >= (1, 1)

#: Silence that the way out starts with, in samples at the inner rate.
_WARM_UP = 4096
#: Spare samples of lead: ratios in soxr are rounded to 2**-32, which adds up to a quarter of a sample in a day.
_SPARE = 2


@dataclass(frozen=True)
class ConversionPlan:
    """How to go from an outer to an inner rate and back.

    Attributes:
        outer_rate, inner_rate: in Hz.
        stretch: relative change of the ratio during the warm-up of the way out.
        first: first sample of the way out to keep, 0 or 1.
        lead: outer samples of silence to begin with, so that output never falls short of input.
        latency: shift of the whole path, lead and engine included, in outer samples.
        misalignment: what the shift differs from ``latency``, in outer samples.
    """

    outer_rate: int
    inner_rate: int
    stretch: float = 0.0
    first: int = 0
    lead: int = 0
    latency: int = 0
    misalignment: float = 0.0

    @property
    def oversampling(self) -> int:
        """Outer samples that the way out makes for each that it keeps."""
        return 2 if self.outer_rate < self.inner_rate else 1


class InwardStream:
    """From the outer to the inner rate."""

    def __init__(self, plan: ConversionPlan) -> None:
        rises = plan.outer_rate < plan.inner_rate
        self._stream = soxr.ResampleStream(plan.outer_rate, plan.inner_rate, 1, quality="HQ", vr=rises)

    def convert(self, samples: Float32) -> Float32:
        """(n,) float32 in, what is ready out."""
        converted: Float32 = self._stream.resample_chunk(samples)
        return converted


class OutwardStream:
    """From the inner to the outer rate."""

    def __init__(self, plan: ConversionPlan) -> None:
        rate = plan.outer_rate * plan.oversampling
        self._step = plan.oversampling
        self._stream = soxr.ResampleStream(plan.inner_rate, rate, 1, quality="HQ", vr=True)
        self._stream.set_io_ratio(plan.inner_rate * (1.0 - plan.stretch), rate)
        self.warm_up_count = len(self._stream.resample_chunk(np.zeros(_WARM_UP, np.float32)))
        self._stream.set_io_ratio(plan.inner_rate, rate)
        self._skip = plan.first

    def convert_all(self, samples: Float32) -> Float32:
        """(n,) float32 in, what is ready out before any is dropped."""
        made: Float32 = self._stream.resample_chunk(samples)
        return made

    def convert(self, samples: Float32) -> Float32:
        """(n,) float32 in, what is ready out."""
        made = self.convert_all(samples)
        kept = made[self._skip :: self._step]
        self._skip = (self._skip - len(made)) % self._step  # a block may end between two kept samples
        return kept


@lru_cache(maxsize=64)
def plan_conversion(outer_rate: int, inner_rate: int, hop_length: int, delay: int) -> ConversionPlan:
    """Measure the way in and out and lay it so that its shift is a whole number of samples.

    Args:
        outer_rate: Hz, of the caller.
        inner_rate: Hz, of the engine.
        hop_length: inner samples that the engine collects before it gives out as many.
        delay: inner samples by which its output runs behind its input, collecting not counted.
    """
    plan = ConversionPlan(outer_rate, inner_rate)
    shift, count = _measure_shift(plan, delay)
    for _ in range(4):
        # A ratio that is smaller by `stretch` for `count` outputs makes the path later by `stretch * count` of them.
        missing = math.ceil(shift - 1e-3) - shift
        plan = replace(plan, stretch=plan.stretch + missing / count)
        shift, count = _measure_shift(plan, delay)
    whole = round(shift)
    step = plan.oversampling
    first = whole % step

    to_outer = outer_rate / inner_rate
    held_in, held_out = _held_back_inward(plan), _held_back_outward(plan)
    lead = math.ceil(held_in + (hop_length + held_out) * to_outer) + _SPARE
    latency = lead + (whole - first) // step
    return replace(plan, first=first, lead=lead, latency=latency, misalignment=(shift - whole) / step)


def _measure_shift(plan: ConversionPlan, delay: int) -> tuple[float, int]:
    """How late a pulse comes out of the way in, ``delay`` and the way out, in samples before every other is dropped.

    Returns:
        The shift, and the number of samples that the warm-up made.
    """
    width = 12.0 * max(1.0, plan.outer_rate / plan.inner_rate)
    centre = math.ceil(8 * width)
    pulse = np.exp(-0.5 * ((np.arange(2 * centre + 1) - centre) / width) ** 2).astype(np.float32)
    inward, outward = InwardStream(plan), OutwardStream(plan)
    silence = np.zeros(max(4000, plan.outer_rate // 2), np.float32)  # long enough to push the pulse through
    inner = np.concatenate([np.zeros(delay, np.float32), inward.convert(pulse), inward.convert(silence)])
    out = outward.convert_all(inner).astype(np.float64)
    reach = centre * plan.oversampling
    around = np.arange(max(0, int(np.argmax(out)) - reach), min(len(out), int(np.argmax(out)) + reach))
    centroid = float(np.sum(around * out[around]) / np.sum(out[around]))
    return centroid - centre * plan.oversampling, outward.warm_up_count


def _held_back_inward(plan: ConversionPlan) -> float:
    """The most that the way in holds back, in outer samples."""
    # The fixed stream of a falling rate is coarse: it is watched for longer, and in larger steps.
    step, total = (1, 2000) if plan.outer_rate < plan.inner_rate else (8, plan.outer_rate // 4)
    stream, block = InwardStream(plan), np.zeros(step, np.float32)
    made, held = 0, 0.0
    for taken in range(step, total, step):
        made += len(stream.convert(block))
        held = max(held, taken - made * plan.outer_rate / plan.inner_rate)
    return held + step - 1


def _held_back_outward(plan: ConversionPlan) -> float:
    """The most that the way out holds back, in inner samples."""
    stream, block = OutwardStream(plan), np.zeros(1, np.float32)
    made, held = 0, 0.0
    for taken in range(1, 2000):
        made += len(stream.convert_all(block))
        held = max(held, taken - made * plan.inner_rate / (plan.outer_rate * plan.oversampling))
    return held
