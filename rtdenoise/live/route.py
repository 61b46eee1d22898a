"""One run from a source to a sink: streams, rings, ends and worker, laid out once and taken down once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..engine import Denoiser
from ..errors import DeviceError
from ..stats import Stats
from .clock import SimulatedDevice, SimulatedStream
from .devices import DeviceInfo, Kind
from .latency import LatencyPlan
from .playout import LivePlayout, QueuePlayout
from .realtime import Alarm, Faults, promote_sound_client
from .ring_buffer import RingBuffer
from .sinks import DeviceSink, WriterSink
from .sources import DeviceSource, ReaderSource
from .streams import DeviceStream
from .worker import Worker

if TYPE_CHECKING:
    from ..files.audio_file import Reader, Writer

Device = DeviceInfo | SimulatedDevice

_RING_SECONDS = 2.0
_WINDOW_SECONDS = 0.2  # over which the level of the rings is judged
_FILE_PREFILL_SECONDS = 0.05  # nobody hears a file begin later


class Route:
    """Everything between two ends, open but not started.

    Args:
        source, sink: see `live.Live`, names resolved.
        denoiser: warmed up; its rate is that of the devices.
        plan: block length and prefill.
        stats: where everything is counted.
        faults: keeps what goes wrong in an audio thread.

    Raises:
        DeviceError: a device cannot be opened.
    """

    def __init__(
        self,
        source: Device | Reader,
        sink: Device | Writer | None,
        denoiser: Denoiser,
        plan: LatencyPlan,
        stats: Stats,
        faults: Faults,
    ) -> None:
        self.playout: LivePlayout | QueuePlayout | None = None
        self.device_seconds = {"input": 0.0, "output": 0.0}
        self._denoiser, self._plan, self._stats, self._faults = denoiser, plan, stats, faults
        self._streams: list[tuple[str, DeviceStream | SimulatedStream]] = []
        self._alarm = Alarm()
        ends = (end for end in (source, sink) if isinstance(end, SimulatedDevice) and not end.paced)
        self._by_hand = next(ends, None)
        try:
            worker_source = self._lay_source(source)
            self._sink = self._lay_sink(
                sink, worker_source, settle=isinstance(source, DeviceInfo) or isinstance(sink, DeviceInfo)
            )
        except BaseException:
            self.stop()
            raise
        self._worker = Worker(worker_source, self._sink, denoiser, stats, self._alarm, faults)

    @property
    def finished(self) -> bool:
        """Whether the source has ended and all of it was played or written."""
        return self._sink.finished

    def start(self) -> None:
        """Start the worker and the devices, and wait until the level of the rings is set.

        Raises:
            DeviceError: a device has gone meanwhile.
        """
        if self._by_hand is None:
            self._worker.start()
        else:
            self._by_hand.work = self._worker.step
        promote_sound_client()
        for _, stream in self._streams:
            stream.start()
        give_up = time.monotonic() + 2.0
        while isinstance(self.playout, LivePlayout) and not self.playout.settled and time.monotonic() < give_up:
            self.check()
            time.sleep(0.01)

    def check(self) -> None:
        """Raise what ended a callback or the worker, or DeviceError when a device has stopped."""
        self._faults.check()
        for name, stream in self._streams:
            if not stream.active:
                raise DeviceError(
                    f"sound device {name!r} has stopped: it was unplugged, or the sound server ended; start again when "
                    "it is back"
                )

    def stop(self) -> None:
        """Stop and close the devices, then the worker, who brings a writer what was captured before."""
        for _, stream in self._streams:
            stream.stop()
        self._streams.clear()
        if hasattr(self, "_worker"):
            self._worker.stop(timeout_seconds=0.3)

    def _lay_source(self, source: Device | Reader) -> DeviceSource | ReaderSource:
        if not isinstance(source, DeviceInfo | SimulatedDevice):
            return ReaderSource(source, self._denoiser.sample_rate, self._stats)
        laid = DeviceSource(
            self._new_ring(),
            self._plan.block_length,
            self._denoiser.hop_length,
            self._stats,
            self._alarm,
            self._faults,
        )
        self._open(source, "input", laid.callback)
        return laid

    def _lay_sink(
        self, sink: Device | Writer | None, source: DeviceSource | ReaderSource, *, settle: bool
    ) -> DeviceSink | WriterSink:
        rate, block, stats = self._denoiser.sample_rate, self._plan.block_length, self._stats
        if not isinstance(sink, DeviceInfo | SimulatedDevice):
            return WriterSink(sink, rate, self._denoiser.latency, stats)
        ring = self._new_ring()
        if isinstance(source, DeviceSource):
            window = round(_WINDOW_SECONDS * rate)
            self.playout = LivePlayout(source.ring, ring, stats, window=window, tolerance=block, settle=settle)
            least = 0
        else:
            self.playout = QueuePlayout(ring, stats, self._alarm, reserve=block + 2 * self._denoiser.hop_length)
            least = round(_FILE_PREFILL_SECONDS * rate)
        laid = DeviceSink(ring, self.playout, block, stats, self._faults)
        self._open(sink, "output", laid.callback)
        self.playout.prefill = max(least, self._plan.prefill_beside(sum(self.device_seconds.values()), rate))
        self.playout.tail = round(self.device_seconds["output"] * rate)
        return laid

    def _open(self, device: Device, kind: Kind, callback: Any) -> None:
        block = self._plan.block_length
        stream: DeviceStream | SimulatedStream
        if isinstance(device, SimulatedDevice):
            stream = (device.open_input if kind == "input" else device.open_output)(callback, block)
        else:
            rate = self._denoiser.sample_rate
            stream = DeviceStream(device, kind, rate, block, self._plan.driver_latency, callback)
        self._streams.append((device.name, stream))
        self.device_seconds[kind] = stream.latency_seconds

    def _new_ring(self) -> RingBuffer:
        return RingBuffer(round(_RING_SECONDS * self._denoiser.sample_rate))
