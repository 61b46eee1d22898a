"""Devices that programs choose as if they were real: a microphone that we feed, loudspeakers that we listen to.

On PulseAudio and PipeWire they are modules of the sound server, so they outlive whoever made them. Each has a marker,
by which one that a crash left behind is found again, and whoever uses it holds a connection with a name of its own: the
server itself counts the users, and a process that dies counts no more.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ..errors import DeviceError
from .cable import find_cable, is_cable, other_side
from .devices import DeviceInfo, Kind, find_device, list_devices
from .sound_server import OWN_PREFIX, connect, server_devices

_MARK, _KEPT = "rtdenoise.virtual", "rtdenoise.kept"
_LOCK_SECONDS = 5.0
_SHOW_SECONDS = 2.0  # PipeWire makes devices while we wait
_GOODBYE_SECONDS = 2.0  # a sound server that hangs keeps nobody from ending


@dataclass(frozen=True)
class VirtualPlan:
    """What a virtual device is made of.

    Attributes:
        word: what users call it: ``virtual-mic`` or ``virtual-speakers``.
        role: what it is to other programs: ``microphone`` or ``speakers``.
        title: what other programs list.
        kind: whether it is an ``"input"`` or ``"output"`` to us.
        sink: the server's name of the sink that swallows sound.
        sink_title: what programs list that look for loudspeakers.
        channels: of the sink.
        source: the server's name of the source that gives out what the sink got. Monitors do that too, but browsers
            hide them.
    """

    word: str
    role: str
    title: str
    kind: Kind
    sink: str
    sink_title: str
    channels: int
    source: str = ""

    @property
    def opened(self) -> str:
        """What we open, by the server's name."""
        return self.sink if self.kind == "output" else f"{self.sink}.monitor"


MICROPHONE = VirtualPlan(
    "virtual-mic",
    "microphone",
    "Denoised microphone",
    "output",
    f"{OWN_PREFIX}microphone_feed",
    "Denoised microphone (feed)",
    1,
    f"{OWN_PREFIX}microphone",
)
SPEAKERS = VirtualPlan(
    "virtual-speakers", "speakers", "Denoised speakers", "input", f"{OWN_PREFIX}speakers", "Denoised speakers", 2
)
PLANS = {plan.word: plan for plan in (MICROPHONE, SPEAKERS)}


@dataclass(frozen=True)
class VirtualState:
    """How it stands with a virtual device.

    Attributes:
        there: whether the server has it.
        kept: whether it stays when nobody uses it any more.
        users: processes of ours that use it now.
        programs: names of others that do.
    """

    there: bool
    kept: bool = False
    users: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)


class VirtualDevice:
    """A virtual device, there as long as this is open; the last who uses it removes it.

        with VirtualDevice(MICROPHONE) as microphone, Live("mic", microphone) as live:
            live.wait()

    On macOS and Windows it is a cable that somebody installed: see `cable.find_cable`.

    Args:
        plan: `MICROPHONE` or `SPEAKERS`.

    Attributes:
        choose: the name to choose in the other program; after `find`.
    """

    def __init__(self, plan: VirtualPlan) -> None:
        self.plan = plan
        self.choose = plan.title
        self._holding: Any = None
        self._lock = threading.Lock()

    def find(self) -> DeviceInfo:
        """The device to open, made if it is not there: at first, and when the server has forgotten it.

        Raises:
            DeviceError: it can be neither found nor made; the message says what to do.
        """
        if not sys.platform.startswith("linux"):
            found = find_cable(self.plan.word, self.plan.kind, list_devices(), sys.platform)
            self.choose = other_side(found.name)
            return found
        with self._lock, _alone():
            if self._holding is None or not self._holding.connected:
                self._holding = _connect(self.plan.word)
            with _spoken_to():
                make(self._holding, self.plan)
        return _as_device(self.plan)

    def close(self) -> None:
        """Remove it, unless somebody else uses it or wants it kept. Done at once if the server is."""
        if self._holding is not None:
            goodbye = threading.Thread(target=self._leave, name="rtdenoise goodbye", daemon=True)
            goodbye.start()
            goodbye.join(_GOODBYE_SECONDS)

    def _leave(self) -> None:
        with contextlib.suppress(DeviceError), self._lock, _alone(), _spoken_to():
            try:
                state = look(self._holding, self.plan)
                if state.there and not state.kept and len(state.users) <= 1:
                    _unload(self._holding, self.plan)
            finally:
                self._holding.close()
                self._holding = None

    def __enter__(self) -> VirtualDevice:
        self.find()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def create(plan: VirtualPlan) -> bool:
    """Make a virtual device that stays until `remove`; whether there was none of that kind.

    Raises:
        DeviceError: it cannot be made, or is there for as long as some process lives.
    """
    with _alone(), _server() as connection:
        state = look(connection, plan)
        if state.kept:
            return make(connection, plan, keep=True)  # a half of it may have gone
        if state.users:
            raise DeviceError(
                f"{plan.title!r} is there as long as process {', '.join(state.users)} runs, which made it; end that "
                "first, then create one that stays"
            )
        if state.there:
            _unload(connection, plan)
        return make(connection, plan, keep=True)


def remove(plan: VirtualPlan) -> bool:
    """Remove a virtual device, also one that a crash left behind; whether there was one.

    Raises:
        DeviceError: a process of ours uses it.
    """
    with _alone(), _server() as connection:
        state = look(connection, plan)
        if state.users:
            raise DeviceError(
                f"{plan.title!r} is in use by process {', '.join(state.users)}; end that first (Ctrl+C, or kill)"
            )
        if state.there:
            _unload(connection, plan)
        return state.there


def status(plan: VirtualPlan) -> VirtualState:
    """How it stands with a virtual device. Raises DeviceError where there is no sound server."""
    with _server() as connection:
        return look(connection, plan)


def not_ours(word: str, kind: Kind) -> str:
    """What ``mic`` or ``speakers`` means beside a virtual device.

    Args:
        word: ``mic`` or ``speakers``.
        kind: ``"input"`` or ``"output"``.

    Returns:
        The word itself, unless the default device is one of ours, which would hear itself: then the server's name of
        another one, hardware first.

    Raises:
        DeviceError: there is no other, or the default is a cable, beside which nobody can tell the right one.
    """
    if not sys.platform.startswith("linux"):
        default = find_device(word, kind)
        if is_cable(default.name):
            raise DeviceError(
                f"{word} is {default.name!r}, the virtual cable itself, which would hear itself: name the real device, "
                "see `rtdenoise devices`"
            )
        return word
    _, devices = server_devices()
    there = [device for device in devices if device.kind == kind]
    if not any(device.is_default and device.name.startswith(OWN_PREFIX) for device in there):
        return word
    others = [device for device in there if not device.name.startswith(OWN_PREFIX)]
    others.sort(key=lambda device: (device.nature == "virtual", device.name.endswith(".monitor")))
    if not others:
        raise DeviceError(
            f"the default {kind} is rtdenoise's own virtual device, and there is no other for {word!r}; plug one in"
        )
    return others[0].name


def make(connection: Any, plan: VirtualPlan, *, keep: bool = False) -> bool:
    """Load what is not there of a virtual device, and leave the defaults as they are; whether anything was loaded.

    Args:
        connection: a `pulsectl.Pulse`.
        plan: of the device.
        keep: mark it as one that stays.

    Raises:
        DeviceError: another device has its name, or the server refuses.
    """
    sink, source = _parts(connection, plan)
    if sink is not None and (source is not None or not plan.source):
        return False
    before = connection.server_info()
    if sink is None:
        if source is not None:  # its sink has gone, and the server may have moved it to a real microphone
            connection.module_unload(source.owner_module)
            source = None
        _load_sink(connection, plan, keep)
    if plan.source and source is None:
        arguments = f"source_name={plan.source} master={plan.sink}.monitor channels=1 channel_map=mono remix=no"
        _load(connection, "module-remap-source", f"{arguments} source_properties={_properties(plan, plan.title)}")
    deadline = time.monotonic() + _SHOW_SECONDS
    while None in _parts(connection, plan)[: 2 if plan.source else 1] and time.monotonic() < deadline:
        time.sleep(0.05)
    _put_back_defaults(connection, before)
    return True


def look(connection: Any, plan: VirtualPlan) -> VirtualState:
    """How it stands with a virtual device. Raises DeviceError when another one has its name."""
    sink, source = _parts(connection, plan)
    clients = [(client.name, client.proplist) for client in connection.client_list()]
    users = [properties.get("application.process.id", "?") for name, properties in clients if name == _client(plan)]
    streams = [stream for stream in connection.sink_input_list() if sink and stream.sink == sink.index]
    if plan.source:
        streams = [stream for stream in connection.source_output_list() if source and stream.source == source.index]
    programs = sorted({stream.proplist.get("application.name", stream.name) for stream in streams})
    there = sink is not None or source is not None
    return VirtualState(there, sink is not None and _KEPT in sink.proplist, users, programs)


def _parts(connection: Any, plan: VirtualPlan) -> tuple[Any, Any]:
    """Its sink and its source, None where it is not there."""
    found: list[Any] = []
    for devices, name in ((connection.sink_list(), plan.sink), (connection.source_list(), plan.source)):
        device = next((device for device in devices if name and device.name == name), None)
        if device is not None and device.proplist.get(_MARK) != plan.word:
            raise DeviceError(
                f"the sound server has a device called {name!r} that rtdenoise did not make, and needs that name; "
                f"remove it first: pactl unload-module {device.owner_module}"
            )
        found.append(device)
    return found[0], found[1]


def _load_sink(connection: Any, plan: VirtualPlan, keep: bool) -> None:
    channels = f"channels={plan.channels} channel_map={'mono' if plan.channels == 1 else 'stereo'}"
    properties = _properties(plan, plan.sink_title, f"{_KEPT}=yes" if keep else "")
    arguments = f"sink_name={plan.sink} rate=48000 format=float32le {channels} sink_properties={properties}"
    try:  # without this a new stream waits for the two seconds that the sink has rendered ahead
        _load(connection, "module-null-sink", f"{arguments} norewinds=1")
    except DeviceError:  # PulseAudio before 16 does not know it
        _load(connection, "module-null-sink", arguments)


def _load(connection: Any, module: str, arguments: str) -> None:
    import pulsectl

    try:
        connection.module_load(module, arguments)
    except pulsectl.PulseError:
        raise DeviceError(
            f"the sound server refuses to load {module}, of which virtual devices are made; its log says why: "
            "journalctl --user -u pulseaudio -u pipewire-pulse"
        ) from None


def _properties(plan: VirtualPlan, title: str, more: str = "") -> str:
    # A low priority, by which PipeWire chooses defaults: nobody gets this device who did not ask for it.
    return f"'device.description=\"{title}\" {_MARK}={plan.word} priority.session=1 priority.driver=1 {more}'"


def _unload(connection: Any, plan: VirtualPlan) -> None:
    sink, source = _parts(connection, plan)
    for part in (source, sink):  # a source without its sink would be moved to a real microphone
        if part is not None:
            connection.module_unload(part.owner_module)


def _put_back_defaults(connection: Any, before: Any) -> None:
    """Undo what a server does that takes any new device, or any source that is no monitor, for the default."""
    import pulsectl

    now = connection.server_info()
    with contextlib.suppress(pulsectl.PulseError):  # the old one was a dummy, which goes when another one comes
        if now.default_sink_name != before.default_sink_name:
            connection.sink_default_set(before.default_sink_name)
        if now.default_source_name != before.default_source_name:
            connection.source_default_set(before.default_source_name)


def _as_device(plan: VirtualPlan) -> DeviceInfo:
    found = [device for device in list_devices() if device.server_name == plan.opened]
    if not found:
        raise DeviceError(
            f"{plan.title!r} is there, but PortAudio cannot open devices of the sound server here; install the plugin "
            "that does it (Debian, Ubuntu: sudo apt install libasound2-plugins)"
        )
    return found[0]


def _client(plan: VirtualPlan) -> str:
    return f"rtdenoise {plan.word}"


@contextlib.contextmanager
def _server() -> Iterator[Any]:
    with contextlib.closing(_connect("virtual devices")) as connection, _spoken_to():
        yield connection


def _connect(purpose: str) -> Any:
    connection = connect(purpose)
    if connection is None:
        raise DeviceError(_why_not_connected())
    return connection


def _why_not_connected() -> str:
    if not sys.platform.startswith("linux"):
        return "virtual devices are made on Linux only; macOS has BlackHole, Windows VB-CABLE"
    try:
        import pulsectl  # noqa: F401
    except ImportError:
        return "virtual devices need the Python package pulsectl, which is not installed: pip install pulsectl"
    except OSError:
        return "virtual devices need PulseAudio's library, which is not installed: sudo apt install libpulse0"
    return (
        "no PulseAudio or PipeWire answers here, and virtual devices are theirs; start one: systemctl --user start "
        "pipewire-pulse, or pulseaudio --start"
    )


@contextlib.contextmanager
def _spoken_to() -> Iterator[None]:
    """What pulsectl raises when a server goes becomes an error for people."""
    import pulsectl

    try:
        yield
    except (pulsectl.PulseError, pulsectl.PulseDisconnected) as error:
        raise DeviceError(
            f"the sound server has gone while it was asked for a virtual device ({type(error).__name__}); try again"
        ) from None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: two that load the same sink would get two, and the last one removes what another found.

    Raises:
        DeviceError: somebody else is at it for seconds.
    """
    import fcntl

    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = os.path.join(folder, f"rtdenoise-{os.getuid()}.lock")
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DeviceError(
                        f"another rtdenoise has been changing virtual devices for {_LOCK_SECONDS:g} s; is it stopped? "
                        f"End it, or see who holds {path}"
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)
