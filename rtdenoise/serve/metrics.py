"""What the server counts, and how Prometheus gets to see it.

Everything is counted on the event loop as plain numbers, which costs a block next to nothing; the objects of
prometheus-client are made of them when somebody asks.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import __version__

_BOUNDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_PREFIX = "rtdenoise_serve"


class Histogram:
    """Times, in seconds."""

    def __init__(self) -> None:
        self.sum = 0.0
        self._counts = [0] * (len(_BOUNDS) + 1)

    def record(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: upper bound, and how many lie at or under it."""
        found, total = [], 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Metrics(Collector):
    """What was counted since the start.

    Attributes:
        streams: begun and not ended.
        streams_begun, blocks: since the start.
        audio_seconds: that came in.
        processing: from taking up a block on a compute thread to its end, without waiting for turns.
        delay: from reading a block to handing its answer to the socket.
        errors: by reason.

    Args:
        queued: tells how many blocks wait for a compute thread.
        connections: tells how many sockets are open.
    """

    def __init__(self, queued: Callable[[], int], connections: Callable[[], int]) -> None:
        self.streams = self.streams_begun = self.blocks = 0
        self.audio_seconds = 0.0
        self.processing, self.delay = Histogram(), Histogram()
        self.errors: Counter[str] = Counter()
        self._queued, self._connections = queued, connections
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count one stream, for as long as it runs."""
        self.streams += 1
        self.streams_begun += 1
        try:
            yield
        finally:
            self.streams -= 1

    def count_block(self, audio_seconds: float, processing_seconds: float, delay_seconds: float) -> None:
        """Count a block that was answered."""
        self.blocks += 1
        self.audio_seconds += audio_seconds
        self.processing.record(processing_seconds)
        self.delay.record(delay_seconds)

    def page(self) -> bytes:
        """The text that Prometheus reads; of the event loop's thread."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """For prometheus-client."""
        for name, text, value in (
            ("streams", "Streams that run.", self.streams),
            ("connections", "Sockets that are open.", self._connections()),
            ("queue_blocks", "Blocks that wait for a compute thread.", self._queued()),
            ("tasks", "Tasks of the event loop.", len(asyncio.all_tasks())),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value)
        for name, text, total in (
            ("streams_begun", "Streams that were begun.", self.streams_begun),
            ("blocks", "Blocks that were answered.", self.blocks),
            ("audio_seconds", "Sound that came in.", self.audio_seconds),
        ):
            yield CounterMetricFamily(f"{_PREFIX}_{name}", text, total)
        errors = CounterMetricFamily(f"{_PREFIX}_errors", "Connections that ended badly.", labels=["reason"])
        for reason, count in sorted(self.errors.items()):
            errors.add_metric([reason], count)
        yield errors
        for name, text, histogram in (
            ("processing_seconds", "Computing time of a block.", self.processing),
            ("delay_seconds", "From reading a block to handing its answer to the socket.", self.delay),
        ):
            yield HistogramMetricFamily(f"{_PREFIX}_{name}", text, buckets=histogram.buckets(), sum_value=histogram.sum)
        version = GaugeMetricFamily(f"{_PREFIX}_info", "What runs here.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version
