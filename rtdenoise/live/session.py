"""Live denoising: a source, a sink, and between them the engine in a thread of its own."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Denoiser
from ..errors import DeviceError
from ..model import Model
from ..stats import Stats
from .clock import SimulatedDevice
from .devices import DeviceInfo, Kind, find_device
from .latency import plan_latency
from .realtime import Faults, quiet_interpreter
from .route import Device, Route
from .streams import agree_on_rate

if TYPE_CHECKING:
    from ..files.audio_file import Reader, Writer

_WARM_UP_HOPS = 20
_POLL_SECONDS = 0.05


class Live:
    """Denoises from a device or file to a device or file while it is open.

        with Live("mic", "speakers") as live:
            live.wait(60)

    A device at each end is a clock, and the latency between them is held. A file as the source is read as fast as the
    sink plays; without any device everything runs as fast as it can.

    Args:
        source: ``"mic"``, a device's name or index, `DeviceInfo`, `SimulatedDevice`, or a `files.Reader`.
        sink: ``"speakers"``, a device's name or index, `DeviceInfo`, `SimulatedDevice`, a `files.Writer`, or ``None``,
            which discards. Readers and writers stay open.
        model, attenuation_limit_db, bypass: see `engine.Denoiser`.
        latency: ``"low"``, ``"high"`` or milliseconds, see `latency.plan_latency`.
        sample_rate: of engine and devices, in Hz; by default that of a file, or one that the devices like.

    Attributes:
        stats: counters, load and levels; any thread may look.
        sample_rate: of the engine and the devices, in Hz.
        denoiser: the engine.

    Raises:
        DeviceError: a device is unknown, or the devices have no rate in common.
        ParameterError, ModelError: see `engine.Denoiser`.
    """

    def __init__(
        self,
        source: str | int | Device | Reader,
        sink: str | int | Device | Writer | None,
        *,
        model: str | Path | Model = "stream",
        attenuation_limit_db: float | None = None,
        bypass: bool = False,
        latency: str | float = "low",
        sample_rate: int | None = None,
    ) -> None:
        self.source = find_device(source, "input") if isinstance(source, str | int) else source
        self.sink = find_device(sink, "output") if isinstance(sink, str | int) else sink
        self.sample_rate = self._choose_rate(sample_rate)
        self._plan = plan_latency(latency, self.sample_rate)
        self.denoiser = Denoiser(self.sample_rate, model, attenuation_limit_db, bypass)
        self.stats = self._new_stats()
        self._route: Route | None = None
        self._running = False
        self._faults = Faults()
        self._cleanup = contextlib.ExitStack()

    def start(self) -> None:
        """Warm everything up, open the devices, and return as soon as sound flows and the latency stands.

        Raises:
            DeviceError: a device cannot be opened.
        """
        self._warm_up()
        self.stats, self._faults = self._new_stats(), Faults()
        self._cleanup.enter_context(quiet_interpreter())
        try:
            self._route = Route(self.source, self.sink, self.denoiser, self._plan, self.stats, self._faults)
            self._running = True
            self._route.start()
        except BaseException:
            self._shut_down()
            raise

    def stop(self) -> None:
        """End everything; a writer gets what was captured up to now. Does nothing when it is not running.

        Raises:
            Whatever ended a callback or the worker, if `wait` did not raise it yet.
        """
        self._shut_down()
        self._faults.check()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Sleep until the source has ended and all of it was played, or the time is over.

        Args:
            timeout_seconds: ``None`` waits for ever.

        Returns:
            True at the end of the source, False when the time is over.

        Raises:
            DeviceError: a device has stopped.
            Whatever ended a callback or the worker.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while self._route is not None and self._running and not self._route.finished:
            self._route.check()
            left = _POLL_SECONDS if deadline is None else min(_POLL_SECONDS, deadline - time.monotonic())
            if left <= 0:
                return False
            time.sleep(left)
        self._faults.check()
        return True

    @property
    def latency_parts(self) -> dict[str, float]:
        """Where the latency comes from, in ms; what devices and rings add is known after `start`, and 0 for files."""
        device, waiting = {"input": 0.0, "output": 0.0}, 0.0
        if self._route is not None:
            device = self._route.device_seconds
            waiting = self._route.playout.mean_level if self._route.playout is not None else 0.0
        return {
            "device_in": device["input"] * 1e3,
            "prefill": waiting / self.sample_rate * 1e3,
            "engine": self.denoiser.latency_seconds * 1e3,
            "device_out": device["output"] * 1e3,
        }

    @property
    def latency_seconds(self) -> float:
        """From the microphone to the loudspeakers: the sum of `latency_parts`."""
        return sum(self.latency_parts.values()) / 1e3

    @property
    def attenuation_limit_db(self) -> float | None:
        """See `engine.Denoiser`; may be set while running."""
        return self.denoiser.attenuation_limit_db

    @attenuation_limit_db.setter
    def attenuation_limit_db(self, limit_db: float | None) -> None:
        self.denoiser.attenuation_limit_db = limit_db

    @property
    def bypass(self) -> bool:
        """See `engine.Denoiser`; may be set while running."""
        return self.denoiser.bypass

    @bypass.setter
    def bypass(self, bypass: bool) -> None:
        self.denoiser.bypass = bypass

    def start_line(self) -> str:
        """One line for people: ends, rate, model, latency and its parts."""
        parts = " + ".join(f"{name.replace('_', ' ')} {ms:.1f}" for name, ms in self.latency_parts.items())
        model = self.denoiser.model
        return (
            f"{_name(self.source)} -> {_name(self.sink)}, {self.sample_rate} Hz, model {model.name} {model.version}, "
            f"latency {self.latency_seconds * 1e3:.1f} ms ({parts})"
        )

    def end_lines(self) -> list[str]:
        """The block of counters for people."""
        return self.stats.lines()

    def report(self) -> dict[str, Any]:
        """All there is to know, in types that JSON knows."""
        return {
            "source": _name(self.source),
            "sink": _name(self.sink),
            "model": self.denoiser.model.name,
            "model_version": self.denoiser.model.version,
            "sample_rate": self.sample_rate,
            "hop_length": self.denoiser.hop_length,
            "block_length": self._plan.block_length,
            "latency_ms": round(self.latency_seconds * 1e3, 3),
            "latency_parts_ms": {name: round(ms, 3) for name, ms in self.latency_parts.items()},
            **self.stats.as_dict(),
        }

    def __enter__(self) -> Live:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self._shut_down()

    def _choose_rate(self, wish: int | None) -> int:
        ends: list[tuple[Any, Kind]] = [(self.source, "input"), (self.sink, "output")]
        devices = [(end, kind) for end, kind in ends if isinstance(end, DeviceInfo)]
        given: list[int] = [end.sample_rate for end, _ in ends if end is not None and not isinstance(end, DeviceInfo)]
        simulated = [end.sample_rate for end, _ in ends if isinstance(end, SimulatedDevice)]
        wishes = [wish] if wish is not None else simulated or given
        rate = agree_on_rate(devices, wishes) if devices else wishes[0]
        for fixed in simulated if wish is None else [*simulated, wish]:
            if fixed != rate:
                raise DeviceError(f"{fixed} Hz were asked for, but the sound devices take {rate} Hz: let them choose")
        return rate

    def _new_stats(self) -> Stats:
        return Stats(self.sample_rate, self.denoiser.hop_length / self.sample_rate)

    def _warm_up(self) -> None:
        """Run the very path of the worker on silence: compiled, paged in, and as new afterwards."""
        silence = np.zeros(self.denoiser.hop_length, dtype=np.float32)
        for _ in range(_WARM_UP_HOPS):
            self.denoiser.process(silence)
        self.denoiser.reset()

    def _shut_down(self) -> None:
        if self._route is not None and self._running:
            self._route.stop()
        self._running = False
        self._cleanup.close()


def _name(end: Any) -> str:
    if end is None:
        return "none"
    return str(getattr(end, "name", None) or getattr(end, "path", None) or "pipe")
