"""What a virtual device is on PulseAudio and PipeWire: modules of the sound server, found again by a marker.

They outlive whoever loaded them. Whoever uses a device holds a connection with a name of its own: so the server itself
counts the users, and a process that dies counts no more.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

from ..errors import DeviceError
from .devices import Kind
from .sound_server import OWN_PREFIX

_MARK, _KEPT = "rtdenoise.virtual", "rtdenoise.kept"
_SHOW_SECONDS = 2.0  # PipeWire makes devices while we wait


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
    users = [properties.get("application.process.id", "?") for name, properties in clients if name == client_name(plan)]
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
    return f"'device.description=\"{title}\" {_MARK}={plan.word} priority.session=0 priority.driver=0 {more}'"


def unload(connection: Any, plan: VirtualPlan) -> None:
    """Remove all of a virtual device. Raises DeviceError when another one has its name."""
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


def client_name(plan: VirtualPlan) -> str:
    """What a connection is called whose owner uses the device."""
    return f"rtdenoise {plan.word}"
