"""Live denoising: a source, a sink, and between them the engine in a thread of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..engine import Denoiser
from ..errors import DeviceError, ParameterError
from ..model import Model
from ..stats import Stats
from .default_device import DefaultWatch
from .devices import DeviceInfo
from .ends import choose_rates, default_kinds, find_end, name_of
from .feedback import may_howl
from .latency import plan_latency
from .mute import Mute
from .priority import supervising
from .realtime import Faults, lock_memory, quiet_interpreter
from .recorder import Recorder
from .recovery import Recovery
from .route import Device, Route
from .virtual import VirtualDevice

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
        source: ``"mic"``, a device's name or index, `DeviceInfo`, `virtual.VirtualDevice`, `SimulatedDevice`, or a
            `files.Reader`.
        sink: ``"speakers"``, a device's name or index, `DeviceInfo`, `virtual.VirtualDevice`, `SimulatedDevice`, a
            `files.Writer`, or ``None``, which discards. Readers, writers and virtual devices stay open.
        model, attenuation_limit_db, bypass, overlap: see `engine.Denoiser`.
        latency: ``"low"``, ``"high"`` or milliseconds, see `latency.plan_latency`.
        sample_rate: of engine and devices, in Hz; by default that of a file, or one that the devices like.
        on_device_loss: ``"wait"`` until a device that went is back, or ``"exit"`` with a DeviceError.
        recorder: what records and where to, see `recorder.Recorder`; by default one that waits for `toggle_recording`.
        tell: called by `wait` and `stop` with a line for people, when something happens that they should know.

    Attributes:
        stats: counters, load and levels; any thread may look.
        sample_rate: of the source and the engine, in Hz.
        sink_rate: of the sink, in Hz; another one only where two devices have no rate in common.
        denoiser: the engine.

    Raises:
        DeviceError: a device is unknown, or the devices have no rate in common.
        ParameterError, ModelError: see `engine.Denoiser`.
    """

    def __init__(
        self,
        source: str | int | Device | VirtualDevice | Reader,
        sink: str | int | Device | VirtualDevice | Writer | None,
        *,
        model: str | Path | Model = "stream",
        attenuation_limit_db: float | None = None,
        bypass: bool = False,
        overlap: float | None = None,
        latency: str | float = "low",
        sample_rate: int | None = None,
        on_device_loss: Literal["wait", "exit"] = "wait",
        recorder: Recorder | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        if on_device_loss not in ("wait", "exit"):
            raise ParameterError(f"on_device_loss={on_device_loss!r} is not possible; give wait or exit")
        self._wishes = source, sink, sample_rate, latency
        self._on_device_loss, self._tell = on_device_loss, tell
        self._recorder = Recorder() if recorder is None else recorder
        self._resolve()
        self.denoiser = Denoiser(self.sample_rate, model, attenuation_limit_db, bypass, overlap)
        self.stats = self._new_stats()
        self._mute = Mute(self.sample_rate)
        self._route: Route | None = None
        self._recovery: Recovery | None = None
        self._running = self._overload_told = False
        self._faults = Faults()
        self._cleanup = contextlib.ExitStack()

    def start(self) -> None:
        """Warm everything up, open the devices, and return as soon as sound flows and the latency stands.

        Raises:
            DeviceError: a device cannot be opened.
            AudioFileError: a file to record to cannot be made.
        """
        self._warm_up()
        self.stats, self._faults = self._new_stats(), Faults()
        self._cleanup.enter_context(quiet_interpreter())
        lock_memory()
        try:
            self._route = self._lay_route()
            self._default = DefaultWatch(default_kinds(*self._wishes[:2]))
            self._running = True
        except BaseException:
            self._shut_down()
            raise

    def stop(self) -> None:
        """End everything; a writer gets what was captured up to now. Does nothing when it is not running.

        Raises:
            Exception: whatever ended a callback or the worker, if `wait` did not raise it yet.
        """
        self._shut_down()
        self._faults.check()

    @supervising()
    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Sleep until the source has ended and all of it was played, or the time is over; look after the devices.

        Args:
            timeout_seconds: ``None`` waits for ever.

        Returns:
            True at the end of the source, False when the time is over.

        Raises:
            DeviceError: a device has gone, and that is to be the end.
            Exception: whatever ended a callback or the worker.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while self._route is not None and self._running and not self._route.finished:
            self._faults.check()
            self._look_after(self._route)
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
            "prefill": waiting / self.sink_rate * 1e3,
            "engine": self.denoiser.latency_seconds * 1e3,
            "device_out": device["output"] * 1e3,
        }

    @property
    def latency_seconds(self) -> float:
        """From the microphone to the loudspeakers: the sum of `latency_parts`."""
        return sum(self.latency_parts.values()) / 1e3

    @property
    def ends(self) -> tuple[str, str]:
        """What source and sink are called."""
        return name_of(self.source), name_of(self.sink)

    @property
    def may_howl(self) -> bool:
        """Whether a microphone and loudspeakers are at work, as far as can be told; after `start`."""
        return self._route is not None and may_howl(self.source, self.sink, self._route.natures)

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

    @property
    def muted(self) -> bool:
        """Whether the output is silent, at the same latency; may be set while running. A change takes 20 ms."""
        return self._mute.muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        self._mute.muted = bool(muted)

    @property
    def recording(self) -> bool:
        """Whether something is recorded."""
        return self._recorder.recording

    def toggle_recording(self) -> str | None:
        """Start or stop recording while the sound goes on; any thread but the audio threads may call it.

        Returns:
            A line for people: where to, how much, or why not; ``None`` when nothing runs.
        """
        return self._recorder.toggle(self.sample_rate, self.sink_rate) if self._running else None

    def start_line(self) -> str:
        """One line for people: ends, rate, model, latency and its parts."""
        parts = " + ".join(f"{name.replace('_', ' ')} {ms:.1f}" for name, ms in self.latency_parts.items())
        model = self.denoiser.model
        rates = f"{self.sample_rate} Hz" + (f" -> {self.sink_rate} Hz" if self.sink_rate != self.sample_rate else "")
        return (
            f"{' -> '.join(self.ends)}, {rates}, model {model.name} {model.version}, "
            f"latency {self.latency_seconds * 1e3:.1f} ms ({parts})"
        )

    def end_lines(self) -> list[str]:
        """The block of counters for people."""
        return self.stats.lines()

    def report(self) -> dict[str, Any]:
        """All there is to know, in types that JSON knows."""
        return {
            "source": name_of(self.source),
            "sink": name_of(self.sink),
            "model": self.denoiser.model.name,
            "model_version": self.denoiser.model.version,
            "sample_rate": self.sample_rate,
            "sink_rate": self.sink_rate,
            "hop_length": self.denoiser.hop_length,
            "block_length": self._plan.block_length,
            "latency_ms": round(self.latency_seconds * 1e3, 3),
            "latency_parts_ms": {name: round(ms, 3) for name, ms in self.latency_parts.items()},
            **self.stats.as_dict(),
            "recordings": self._recorder.finished,
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

    def _resolve(self) -> None:
        """Find the devices by what they were called, and their rates."""
        source, sink, wish, latency = self._wishes
        self.source = find_end(source, "input")
        self.sink = find_end(sink, "output")
        self.sample_rate, self.sink_rate = choose_rates(self.source, self.sink, wish)
        self._plan, self._sink_plan = (plan_latency(latency, rate) for rate in (self.sample_rate, self.sink_rate))

    def _lay_route(self) -> Route:
        """Open everything and start it. Raises DeviceError when a device cannot be opened."""
        self._mute = Mute(self.sample_rate, self.muted)
        route = Route(
            self.source,
            self.sink,
            self.denoiser,
            self._mute,
            self._plan,
            self._sink_plan.with_hops_of(self._hop_seconds, self.sink_rate),
            self.sink_rate,
            self.stats,
            self._recorder,
            self._faults,
        )
        try:
            if not self._running:
                self._recorder.begin(self.sample_rate, self.sink_rate)
            route.start()
        except BaseException:
            route.stop()
            raise
        return route

    def _lay_route_anew(self) -> Route:
        """The same with devices that may have other numbers and rates by now."""
        self._resolve()
        if self.sample_rate != self.denoiser.sample_rate:
            old = self.denoiser
            self.denoiser = Denoiser(self.sample_rate, old.model, old.attenuation_limit_db, old.bypass, old.overlap)
        self.stats.change_rates(self.sample_rate, self.sink_rate)
        self._recorder.go_on(self.sample_rate, self.sink_rate)
        self._warm_up()
        return self._lay_route()

    def _look_after(self, route: Route) -> None:
        """Notice what happened since the last look, and tell."""
        self._tell_news()
        if self.stats.overloads and not self._overload_told:
            self._overload_told = True
            self._tell("this computer is too slow at the moment: the sound goes on undenoised until it has caught up")
        if self._recovery is not None:
            if self._recovery.route is not None:
                self._route, self._recovery = self._recovery.route, None
                self._tell(f"it is back: {self.start_line()}")
            return
        lost = route.find_lost()
        if lost is None:
            if self._default.changed():
                self._tell("another device is the system's default now: going over to it")
                self._recover(route)
            return
        self.stats.device_losses += 1
        if self._on_device_loss == "exit":
            raise DeviceError(
                f"sound device {lost!r} has stopped: it was unplugged, or the sound server ended; start again when "
                "it is back"
            )
        self._tell(f"sound device {lost!r} has gone: it was unplugged, or the sound server ended; waiting for it")
        self._recover(route)

    def _recover(self, route: Route) -> None:
        uses_portaudio = isinstance(self.source, DeviceInfo) or isinstance(self.sink, DeviceInfo)
        self._recovery = Recovery(route, self._lay_route_anew, uses_portaudio=uses_portaudio, faults=self._faults)

    def _new_stats(self) -> Stats:
        return Stats(self.sample_rate, self.denoiser.hop_length / self.sample_rate, self.sink_rate)

    def _warm_up(self) -> None:
        """Run the very path of the worker on silence: compiled, paged in, and as new afterwards."""
        silence, seconds = np.zeros(self.denoiser.hop_length, dtype=np.float32), []
        for _ in range(_WARM_UP_HOPS):
            begun = time.perf_counter()
            self.denoiser.process(silence)
            seconds.append(time.perf_counter() - begun)
        self._hop_seconds = min(seconds)
        self.denoiser.reset()

    def _shut_down(self) -> None:
        if self._recovery is not None:
            self._recovery.give_up(timeout_seconds=1.0)
            self._recovery = None
        elif self._route is not None and self._running:
            self._route.stop()
        self._running = False
        self._recorder.finish()
        self._tell_news()
        self._cleanup.close()

    def _tell_news(self) -> None:
        for line in self._recorder.news():
            self._tell(line)
