"""PulseAudio, or PipeWire speaking its protocol, asked directly: devices as the desktop names them, and when they go.

PortAudio knows neither: to it a whole server is one device called `pulse`. And when a device goes, the server moves our
streams to another one: the voice of a headset that was unplugged would come out of the loudspeakers.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .priority import supervising

Kind = Literal["input", "output"]

#: What the names begin with of the devices that we make ourselves.
OWN_PREFIX = "rtdenoise_"

_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 0.2  # a device that goes takes some events
_HARDWARE = 0x0004  # PA_SINK_HARDWARE, PA_SOURCE_HARDWARE
_HEADPHONES = ("headphone", "headset", "hands-free", "portable")

_claimed: set[tuple[str, int]] = set()  # streams of this process that a watch has taken for its own


@dataclass(frozen=True)
class ServerDevice:
    """A sink or source.

    Attributes:
        kind: ``"input"`` for a source, ``"output"`` for a sink.
        name: what the server calls it, such as ``alsa_input.usb-Yeti-00.analog-stereo``.
        description: what the desktop calls it.
        channels: how many.
        sample_rate: in Hz.
        is_default: whether it is the one that programs get that do not ask.
        nature: ``"headphones"`` or ``"virtual"`` where the server knows, else ``"unknown"``.
    """

    kind: Kind
    name: str
    description: str
    channels: int
    sample_rate: int
    is_default: bool
    nature: str


def connect(purpose: str) -> Any:
    """A connection (`pulsectl.Pulse`), or None where there is no server."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import pulsectl
    except (ImportError, OSError):  # the package, or PulseAudio's library
        return None
    connection = None
    try:
        connection = pulsectl.Pulse(f"rtdenoise {purpose}", connect=False)
        connection.connect(autospawn=False)  # with a timeout it always waits for as long (pulsectl 24.12)
    except pulsectl.PulseError:
        if connection is not None:
            connection.close()
        return None
    return connection


def gone() -> tuple[type[Exception], ...]:
    """What pulsectl raises where the server has gone or refuses; the last one where it was known to have gone."""
    import pulsectl

    return pulsectl.PulseError, pulsectl.PulseDisconnected, pulsectl.pulsectl.c.pa.CallError


def server_devices() -> tuple[str, list[ServerDevice]]:
    """The server's name, ``PulseAudio`` or ``PipeWire``, and its sinks and sources; nothing where there is none."""
    connection = connect("devices")
    if connection is None:
        return "", []
    with contextlib.closing(connection):
        info = connection.server_info()
        found = [_describe("input", source, info.default_source_name) for source in connection.source_list()]
        found += [_describe("output", sink, info.default_sink_name) for sink in connection.sink_list()]
    return "PipeWire" if "PipeWire" in info.server_name else "PulseAudio", found


def _describe(kind: Kind, device: Any, default: str) -> ServerDevice:
    return ServerDevice(
        kind,
        device.name,
        device.description,
        device.channel_count,
        device.sample_spec.rate,
        device.name == default,
        _nature(device),
    )


def _nature(device: Any) -> str:
    properties = device.proplist
    words = f"{getattr(device.port_active, 'name', '')} {properties.get('device.form_factor', '')}"
    if any(part in words for part in _HEADPHONES):
        return "headphones"
    return "unknown" if device.flags & _HARDWARE else "virtual"


@contextlib.contextmanager
def choosing(kind: Kind, name: str) -> Iterator[None]:
    """Streams that PortAudio opens on `pulse` inside go to the device that the server calls ``name``, if it is one."""
    if not name:
        yield
        return
    variable = "PULSE_SOURCE" if kind == "input" else "PULSE_SINK"
    before = os.environ.get(variable)
    os.environ[variable] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


class ServerWatch:
    """Notices, in a thread that sleeps in the meantime, that a device under one of our streams has gone.

    That the user moves a stream to another device while the first is there is their wish, and followed. That PulseAudio
    moves it with the default device is not, where a device was asked for by name.

    Args:
        connection: see `connect`; closed in the end.
        names: the devices to watch, by kind, as the user knows them; their streams run. With an empty name a stream may
            go where the server sends it, as when the default device was asked for.
        server_names: the same as the server knows them, where that is known.

    Attributes:
        lost: the name of one that has gone.
        natures: what the devices are, by kind; see `ServerDevice`.
    """

    def __init__(
        self, connection: Any, names: Mapping[Kind, str], server_names: Mapping[Kind, str] | None = None
    ) -> None:
        self.lost: str | None = None
        self.natures: dict[str, str] = {}
        self._names = dict(names)
        self._places: dict[Kind, tuple[int, int]] = {}  # by kind: our stream's number, and its device's
        self._defaults: dict[Kind, str] = {}
        self._held: set[Kind] = set()  # streams that would be elsewhere, had we not moved them
        self._stopping = False
        try:
            self._defaults = _defaults(connection)
            self._find_streams(connection, server_names or {})
        except Exception:  # the server has gone meanwhile: the streams will tell
            connection.close()
        else:
            threading.Thread(target=self._run, args=(connection,), name="rtdenoise watch", daemon=True).start()

    def stop(self) -> None:
        """Look no longer."""
        self._stopping = True
        _claimed.difference_update((kind, stream) for kind, (stream, _) in self._places.items())

    def _find_streams(self, connection: Any, server_names: Mapping[Kind, str]) -> None:
        for kind in self._names:
            self._claim(connection, kind)
            if kind in self._places:
                devices = _devices(connection, kind)
                meant = [there.index for there in devices if there.name == server_names.get(kind)]
                if meant and meant[0] != self._places[kind][1]:  # the server has moved it already
                    self._move(connection, kind, meant[0])
                nature = [_nature(there) for there in devices if there.index == self._places[kind][1]]
                self.natures[kind] = nature[0] if nature else "unknown"

    def _claim(self, connection: Any, kind: Kind) -> None:
        """Take note of our stream, if there is one that no other watch has taken for its own."""
        if self._stopping:  # what is opened from now on is another's
            return
        for stream, device, process in _streams(connection, kind):
            if process == str(os.getpid()) and (kind, stream) not in _claimed:
                _claimed.discard((kind, self._places.get(kind, (-1, -1))[0]))
                self._places[kind] = stream, device
                _claimed.add((kind, stream))
                return

    @supervising()
    def _run(self, connection: Any) -> None:
        import pulsectl

        seen = threading.Event()

        def take(event: Any) -> None:
            moved = event.facility in ("sink_input", "source_output") and event.t == "change"
            if moved or event.t == "remove" or event.facility == "server":
                seen.set()
                raise pulsectl.PulseLoopStop

        with contextlib.suppress(*gone()), contextlib.closing(connection):
            connection.event_mask_set("sink", "source", "sink_input", "source_output", "server")
            connection.event_callback_set(take)
            while not self._stopping and self.lost is None:
                connection.event_listen(timeout=_LOOK_SECONDS)
                if seen.is_set() and not self._stopping:
                    connection.event_listen(timeout=_SETTLE_SECONDS)
                    seen.clear()
                    self._look(connection)

    def _look(self, connection: Any) -> None:
        before, self._defaults = self._defaults, _defaults(connection)
        for kind, (stream, device) in list(self._places.items()):
            there = {device.index: device.name for device in _devices(connection, kind)}
            if self._names[kind] and device not in there:
                self.lost = self._names[kind]
                return
            moved_to = [place for number, place, _ in _streams(connection, kind) if number == stream]
            if not moved_to:  # a driver that had an underrun has opened a new one
                self._claim(connection, kind)
                continue
            self._places[kind] = stream, moved_to[0]
            if not self._names[kind]:
                self._keep_from_ourselves(connection, kind, device, there)
            elif moved_to[0] != device and there.get(moved_to[0]) == self._defaults[kind] != before[kind]:
                self._move(connection, kind, device)

    def _keep_from_ourselves(self, connection: Any, kind: Kind, before: int, there: Mapping[int, str]) -> None:
        """Undo that a stream follows the default to a virtual device of ours: it would hear itself.

        A server takes that for the user's choice and moves the stream no more; so we do, when the default is another.
        """
        default, target = self._defaults[kind], None
        if there.get(self._places[kind][1], "").startswith(OWN_PREFIX):
            target = before
            self._held.add(kind)
        elif kind in self._held and not default.startswith(OWN_PREFIX):
            target = next((index for index, name in there.items() if name == default), None)
            self._held.discard(kind)
        if target is not None:
            self._move(connection, kind, target)

    def _move(self, connection: Any, kind: Kind, device: int) -> None:
        stream = self._places[kind][0]
        (connection.source_output_move if kind == "input" else connection.sink_input_move)(stream, device)
        self._places[kind] = stream, device


def _defaults(connection: Any) -> dict[Kind, str]:
    info = connection.server_info()
    return {"input": info.default_source_name, "output": info.default_sink_name}


def _devices(connection: Any, kind: Kind) -> list[Any]:
    return list(connection.source_list() if kind == "input" else connection.sink_list())


def _streams(connection: Any, kind: Kind) -> list[tuple[int, int, str]]:
    """All streams of a kind: their numbers, their devices' numbers, their processes."""
    if kind == "input":
        found = [(stream, stream.source) for stream in connection.source_output_list()]
    else:
        found = [(stream, stream.sink) for stream in connection.sink_input_list()]
    return [(stream.index, device, stream.proplist.get("application.process.id", "")) for stream, device in found]
