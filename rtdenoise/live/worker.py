"""The thread between the two ends: takes samples from the source, denoises them, brings them to the sink."""

from __future__ import annotations

import threading

from ..stats import Stats
from .mute import Mute
from .priority import promote_worker
from .realtime import Alarm, Faults
from .sinks import DeviceSink, WriterSink
from .sources import DeviceSource, ReaderSource
from .understudy import Understudied

#: Samples overdue by more than this are left out instead of processed: a backlog never drains by itself.
_HOPELESS_SECONDS = 0.05


class Worker:
    """Moves samples; `step` by hand, or in a thread of its own after `start`.

    Args:
        source: where samples come from.
        sink: where they go.
        engine: what is done to them.
        mute: what may silence them then.
        hop_length: how many it works on at a time.
        sample_rate: in Hz.
        stats: levels.
        alarm: rung when there is something to do.
        faults: keeps what goes wrong in the thread.

    Attributes:
        slow_thread: the system's number of the thread, where it could not be made to go first.
    """

    def __init__(
        self,
        source: DeviceSource | ReaderSource,
        sink: DeviceSink | WriterSink,
        engine: Understudied,
        mute: Mute,
        hop_length: int,
        sample_rate: int,
        stats: Stats,
        alarm: Alarm,
        faults: Faults,
    ) -> None:
        self._source, self._sink, self._engine, self._mute = source, sink, engine, mute
        self._hop_length = hop_length
        self._stats, self._alarm, self._faults = stats, alarm, faults
        self._sample_rate = sample_rate
        self.slow_thread: int | None = None
        self._hopeless = round(_HOPELESS_SECONDS * sample_rate)
        self._finished = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="rtdenoise worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_seconds: float | None) -> bool:
        """End the thread after what is there already; False if it is stuck, as in a pipe that brings nothing."""
        self._stopping = True
        self._alarm.ring()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def step(self) -> bool:
        """Move one hop or less; False when there was nothing to do.

        Raises:
            RtdenoiseError, OSError: what the source or the sink raises.
        """
        if self._finished or self._sink.room < self._hop_length:
            return False
        overdue = self._sink.overdue
        if overdue > self._hopeless:
            self._sink.leave_out(self._source.drop(overdue))
        samples = self._source.pull(self._hop_length)
        if len(samples):
            self._stats.input_level.update(samples)
            ready = self._mute.apply(self._engine.process(samples))
            self._stats.output_level.update(ready)
            self._sink.push(ready)
        elif self._source.ended:
            self._finish()
        return bool(len(samples))

    def _finish(self) -> None:
        """Bring what is still inside the denoiser, once."""
        self._finished = True
        self._sink.push(self._mute.apply(self._engine.flush()))
        self._sink.finish()

    def _run(self) -> None:
        self._stats.real_time = promote_worker(self._hop_length / self._sample_rate)
        if not self._stats.real_time:
            self.slow_thread = threading.get_native_id()
        try:
            while not self._stopping and not self._finished:
                if not self.step():
                    self._alarm.sleep(0.1)
            while isinstance(self._source, DeviceSource) and self.step():  # a recording ends with its last sample
                pass
            if not self._finished:
                self._finish()
        except BaseException as error:
            self._faults.keep(error)
