"""One run from a source to a sink: streams, rings, ends and worker, laid out once and taken down once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..engine import Denoiser
from ..errors import DeviceError
from ..stats import Stats
from .clock import SimulatedDevice, SimulatedStream
from .devices import DeviceInfo, Kind
from .latency import LatencyPlan
from .mute import Mute
from .playout import LivePlayout, QueuePlayout
from .priority import CALLBACK_PRIORITY, CLIENT_PRIORITY, WORKER_PRIORITY, promote_sound_client
from .realtime import Alarm, Faults
from .realtime_kit import ask_realtime_kit
from .recorder import Recorder
from .ring_buffer import RingBuffer
from .sinks import DeviceSink, WriterSink
from .sound_server import ServerWatch, connect
from .sources import DeviceSource, ReaderSource
from .streams import DeviceStream
from .stretch import Stretch
from .timeline import Timeline
from .understudy import Understudied
from .worker import Worker

if TYPE_CHECKING:
    from ..files.audio_file import Reader, Writer

Device = DeviceInfo | SimulatedDevice

_RING_SECONDS = 2.0
_WINDOW_SECONDS = 0.2  # over which the level of the rings is judged
_FILE_PREFILL_SECONDS = 0.05  # nobody hears a file begin later
#: A device that has not called back for so long has gone, whatever it says about itself.
_SILENT_SECONDS = 1.8  # new streams on PulseAudio's null sinks stall for 1.6
_LONGEST_LOOK_SECONDS = 0.2  # what counts of the time between two looks: this process may have been stopped too


class Route:
    """Everything between two ends, open but not started.

    Args:
        source, sink: see `live.Live`, names resolved.
        denoiser: warmed up; its rate is that of the source.
        mute: of the same rate.
        plan: block length at the source.
        sink_plan: block length at the sink, and prefill.
        sink_rate: in Hz.
        stats: where everything is counted.
        recorder: gets a copy of what comes in and what goes out.
        faults: keeps what goes wrong in an audio thread.

    Raises:
        DeviceError: a device cannot be opened.
    """

    def __init__(
        self,
        source: Device | Reader,
        sink: Device | Writer | None,
        denoiser: Denoiser,
        mute: Mute,
        plan: LatencyPlan,
        sink_plan: LatencyPlan,
        sink_rate: int,
        stats: Stats,
        recorder: Recorder,
        faults: Faults,
    ) -> None:
        self.playout: LivePlayout | QueuePlayout | None = None
        self.device_seconds = {"input": 0.0, "output": 0.0}
        self._denoiser, self._plan, self._sink_plan, self._sink_rate = denoiser, plan, sink_plan, sink_rate
        self._stats, self._recorder, self._faults = stats, recorder, faults
        self._looked, self._calls, self._silent_seconds = time.monotonic(), [-1, -1], [0.0, 0.0]
        self._streams: list[tuple[str, DeviceStream | SimulatedStream]] = []
        self._watched: dict[Kind, str] = {}
        self._server_names: dict[Kind, str] = {}
        self._watch: ServerWatch | None = None
        self.natures: dict[str, str] = {}  # of devices, by kind, as far as the sound server knows
        self._alarm = Alarm()
        ends = (end for end in (source, sink) if isinstance(end, SimulatedDevice) and not end.paced)
        self._by_hand = next(ends, None)
        self._clock: Callable[[], float] = time.perf_counter if self._by_hand is None else self._by_hand.time
        for tap in (recorder.input, recorder.output):
            tap.begin()
        try:
            worker_source = self._lay_source(source)
            self._sink = self._lay_sink(
                sink, worker_source, settle=isinstance(source, DeviceInfo) or isinstance(sink, DeviceInfo)
            )
        except BaseException:
            self.stop()
            raise
        engine = Understudied(denoiser, stats, self._clock, may_rest=bool(self._streams))
        hop_length, rate = denoiser.hop_length, denoiser.sample_rate
        self._worker = Worker(worker_source, self._sink, engine, mute, hop_length, rate, stats, self._alarm, faults)

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
        slow = dict.fromkeys(promote_sound_client(), CLIENT_PRIORITY)
        connection = connect("watch") if self._watched else None
        for _, stream in self._streams:
            stream.start()
        if connection is not None:
            self._watch = ServerWatch(connection, self._watched, self._server_names)
            self.natures = self._watch.natures
        give_up = time.monotonic() + 2.0
        self._check_start()
        while self._settles and time.monotonic() < give_up:
            time.sleep(0.01)
            self._check_start()
        self._ask_for_priority(slow)
        self._looked = time.monotonic()

    @property
    def _settles(self) -> bool:
        """Whether the level of the rings is still being set, or somebody has not called back yet."""
        if self._by_hand is not None:
            return False
        unset = isinstance(self.playout, LivePlayout) and not self.playout.settled
        return unset or not all(stream.calls for _, stream in self._streams)

    def _ask_for_priority(self, slow: dict[int, int]) -> None:
        """For threads, by their numbers, and all of ours that the system did not let go first."""
        slow |= {stream.slow_thread: CALLBACK_PRIORITY for _, stream in self._streams if stream.slow_thread}
        if self._worker.slow_thread is not None:
            slow[self._worker.slow_thread] = WORKER_PRIORITY
        if slow and self._worker.slow_thread in ask_realtime_kit(slow):
            self._stats.real_time = True

    def _check_start(self) -> None:
        self._faults.check()
        for name, stream in self._streams:
            if not stream.active:
                raise DeviceError(f"sound device {name!r} has stopped at once; plug it in or choose another")

    def find_lost(self) -> str | None:
        """The name of a device that has stopped or fallen silent, if there is one. To be asked now and then."""
        now = time.monotonic()
        waited, self._looked = min(now - self._looked, _LONGEST_LOOK_SECONDS), now
        for i, (name, stream) in enumerate(self._streams):
            if not stream.active:
                return name
            self._silent_seconds[i] = self._silent_seconds[i] + waited if stream.calls == self._calls[i] else 0.0
            self._calls[i] = stream.calls
            if self._silent_seconds[i] > _SILENT_SECONDS and self._by_hand is None:
                return name
        return None if self._watch is None else self._watch.lost

    def stop(self, timeout_seconds: float | None = 0.3) -> None:
        """Stop and close the devices, then the worker, who brings a writer what was captured before."""
        for _, stream in self._streams:
            stream.stop()
        self._streams.clear()
        if self._watch is not None:
            self._watch.stop()
        if hasattr(self, "_worker"):
            self._worker.stop(timeout_seconds)

    def _lay_source(self, source: Device | Reader) -> DeviceSource | ReaderSource:
        if not isinstance(source, DeviceInfo | SimulatedDevice):
            return ReaderSource(source, self._denoiser.sample_rate, self._stats, self._recorder.input)
        rate = self._denoiser.sample_rate
        laid = DeviceSource(
            RingBuffer(round(_RING_SECONDS * rate)),
            Timeline(rate, rate / self._sink_rate, self._clock),
            self._plan.block_length,
            self._denoiser.hop_length,
            self._stats,
            self._recorder.input,
            self._alarm,
            self._faults,
        )
        self._open(source, "input", rate, self._plan, laid.callback)
        return laid

    def _lay_sink(
        self, sink: Device | Writer | None, source: DeviceSource | ReaderSource, *, settle: bool
    ) -> DeviceSink | WriterSink:
        rate, stats = self._denoiser.sample_rate, self._stats
        if not isinstance(sink, DeviceInfo | SimulatedDevice):
            return WriterSink(sink, rate, self._denoiser.latency, stats, self._recorder.output)
        step, rate, block = rate / self._sink_rate, self._sink_rate, self._sink_plan.block_length
        ring = RingBuffer(round(_RING_SECONDS * rate))
        stretch, least, extra = None, 0, 0
        if isinstance(source, DeviceSource):
            window = round(_WINDOW_SECONDS * rate)
            self.playout = LivePlayout(source.timeline, ring, stats, window=window, tolerance=block, settle=settle)
            stretch = Stretch(source.timeline, self.playout.drift, step)
            extra = stretch.delay
        else:
            self.playout = QueuePlayout(ring, stats, self._alarm, reserve=block + 2 * self._denoiser.hop_length)
            least = round(_FILE_PREFILL_SECONDS * rate)
        laid = DeviceSink(ring, self.playout, stretch, rate, block, stats, self._recorder.output, self._faults)
        self._open(sink, "output", rate, self._sink_plan, laid.callback)
        prefill = self._sink_plan.prefill_beside(sum(self.device_seconds.values()), rate)
        self.playout.prefill = max(least, prefill) + extra
        self.playout.tail = round(self.device_seconds["output"] * rate)
        return laid

    def _open(self, device: Device, kind: Kind, rate: int, plan: LatencyPlan, callback: Any) -> None:
        block = plan.block_length
        stream: DeviceStream | SimulatedStream
        if isinstance(device, SimulatedDevice):
            stream = (device.open_input if kind == "input" else device.open_output)(callback, block)
        else:
            stream = DeviceStream(device, kind, rate, block, plan.driver_latency, callback)
            if device.host_api in ("ALSA", "PulseAudio", "PipeWire"):
                self._watched[kind] = "" if device.follows_default else device.name
                self._server_names[kind] = device.server_name
        self._streams.append((device.name, stream))
        self.device_seconds[kind] = stream.latency_seconds
