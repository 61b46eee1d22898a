"""Sound devices by name. An index is accepted but never remembered: it shifts when something is plugged in."""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import functools
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import DeviceError
from .sound_server import server_devices

Kind = Literal["input", "output"]

#: The words for the default device of each kind.
DEFAULT_NAMES: dict[str, Kind] = {"mic": "input", "speakers": "output"}

#: Windows lists every device once per host API; the first of these that knows a name is meant.
_HOST_API_ORDER = (
    "PipeWire",
    "PulseAudio",
    "Windows WASAPI",
    "Core Audio",
    "ALSA",
    "JACK Audio Connection Kit",
    "Windows DirectSound",
    "MME",
)

_LISTED_AT_MOST = 8

#: What alsa-lib calls a whole sound server.
_SERVER_DEFAULTS = ("pulse", "default", "pipewire", "sysdefault")


@dataclass(frozen=True)
class DeviceInfo:
    """One device as PortAudio lists it.

    Attributes:
        index: PortAudio's number, valid until the list changes.
        name: what the host API calls it.
        host_api: ``ALSA``, ``Core Audio``, ``Windows WASAPI``, ...
        input_channels: 0 where it cannot record.
        output_channels: 0 where it cannot play.
        sample_rate: the device's default rate in Hz.
        is_default_input: whether ``mic`` means this one.
        is_default_output: whether ``speakers`` means this one.
        server_name: what PulseAudio or PipeWire calls a device of theirs; such a device has the name that the desktop
            shows, and is opened as PortAudio's `pulse`.
        opened_as: PortAudio's number for it.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    sample_rate: int
    is_default_input: bool = False
    is_default_output: bool = False
    server_name: str = ""
    opened_as: int | None = None

    @property
    def portaudio_index(self) -> int:
        """What PortAudio opens."""
        return self.index if self.opened_as is None else self.opened_as

    @property
    def follows_default(self) -> bool:
        """Whether it is whatever the sound server has as its default, and follows when that changes."""
        return not self.server_name and self.name.lower() in _SERVER_DEFAULTS

    def channels(self, kind: Kind) -> int:
        """Channels for recording or playing."""
        return self.input_channels if kind == "input" else self.output_channels

    def is_default(self, kind: Kind) -> bool:
        """Whether it is the default for recording or playing."""
        return self.is_default_input if kind == "input" else self.is_default_output


def portaudio() -> Any:
    """The sounddevice module.

    Raises:
        DeviceError: the PortAudio library is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        way_out = "install it (Debian, Ubuntu: sudo apt install libportaudio2; Fedora: sudo dnf install portaudio)"
        if not sys.platform.startswith("linux"):
            way_out = "reinstall the Python package sounddevice, which brings it"
        raise DeviceError(f"live sound needs the PortAudio library, which is not there ({error}): {way_out}") from None
    if sys.platform.startswith("linux"):
        _silence_alsa()
    return sounddevice


@functools.cache
def _silence_alsa() -> None:
    """Keep alsa-lib and PortAudio from printing on standard error what is told anyway, from amid the audio threads.

    alsa-lib's error handler is called with some arguments and its result ignored: a C function that takes none and does
    nothing will do, and needs no Python in that thread. Debian's PortAudio prints to C's `stderr` whatever fails when a
    device goes; Python's own does not use that one.
    """
    with contextlib.suppress(OSError, AttributeError, ValueError):
        asound, nothing = ctypes.CDLL("libasound.so.2"), ctypes.CDLL(None).getpid
        asound.snd_lib_error_set_handler(ctypes.cast(nothing, ctypes.c_void_p))
    with contextlib.suppress(OSError, AttributeError, ValueError):
        libc = ctypes.CDLL(None)
        libc.fopen.restype = ctypes.c_void_p
        nowhere = libc.fopen(b"/dev/null", b"w")
        if nowhere:
            ctypes.c_void_p.in_dll(libc, "stderr").value = nowhere


def refresh_devices() -> None:
    """Let PortAudio look again: its list is as it was when it was started. Does nothing while a stream is open.

    Raises:
        DeviceError: see `list_devices`.
    """
    sounddevice = portaudio()
    with _portaudio_lock:
        if _open_streams:  # of another `Live` in this process: starting PortAudio anew would kill it
            return
        try:
            sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"the sound system cannot be started ({error}); is it running?") from None


_open_streams: set[int] = set()
_portaudio_lock = threading.Lock()


@contextlib.contextmanager
def opening(stream: object) -> Iterator[None]:
    """While and, if nothing is raised, after the block, the ``stream`` counts as open."""
    with _portaudio_lock:
        _open_streams.add(id(stream))
        try:
            yield
        except BaseException:
            _open_streams.discard(id(stream))
            raise


def closed(stream: object) -> None:
    """The ``stream`` counts as open no more."""
    _open_streams.discard(id(stream))


def list_devices() -> list[DeviceInfo]:
    """All devices: PortAudio's in its order, then those of the sound server, if PortAudio has a way to them.

    An empty list where there is no sound server and no hardware.

    Raises:
        DeviceError: the PortAudio library is not installed or does not start.
    """
    found = list_portaudio_devices()
    way = next((device for device in found if device.name == "pulse"), None)
    if way is None:
        return found
    server, devices = server_devices()
    twice = {name for name, count in Counter((d.kind, d.description) for d in devices).items() if count > 1}
    for device in devices:
        is_input, index = device.kind == "input", len(found)
        found.append(
            DeviceInfo(
                index=index,
                name=device.description + f" ({device.name})" * ((device.kind, device.description) in twice),
                host_api=server,
                input_channels=device.channels if is_input else 0,
                output_channels=0 if is_input else device.channels,
                sample_rate=device.sample_rate,
                server_name=device.name,
                opened_as=way.index,
            )
        )
    return found


def list_portaudio_devices() -> list[DeviceInfo]:
    """All devices that PortAudio knows, in its order.

    Raises:
        DeviceError: the PortAudio library is not installed or does not start.
    """
    sounddevice = portaudio()
    try:
        host_apis, devices = sounddevice.query_hostapis(), sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the sound system cannot be asked for its devices ({error}); is it running?") from None
    defaults = {kind: _default_index(host_apis, kind) for kind in DEFAULT_NAMES.values()}
    return [
        DeviceInfo(
            index=index,
            name=device["name"],
            host_api=host_apis[device["hostapi"]]["name"],
            input_channels=device["max_input_channels"],
            output_channels=device["max_output_channels"],
            sample_rate=round(device["default_samplerate"]),
            is_default_input=index == defaults["input"],
            is_default_output=index == defaults["output"],
        )
        for index, device in enumerate(devices)
    ]


def find_device(name_or_index: str | int, kind: Kind, devices: list[DeviceInfo] | None = None) -> DeviceInfo:
    """The device that is meant: ``mic``, ``speakers``, an exact name, a part of one name only, or an index.

    Args:
        name_or_index: upper and lower case are one. A number, also as text, is an index unless a device is called so.
        kind: ``"input"`` or ``"output"``; devices that cannot do it are never meant.
        devices: what to search, by default `list_devices`.

    Raises:
        DeviceError: nothing or more than one thing is meant, or there is no device at all. The message lists what
            there is, closest first.
    """
    wanted = str(name_or_index).strip().lower()
    if devices is None:
        devices = list_portaudio_devices() if DEFAULT_NAMES.get(wanted) == kind else list_devices()
    usable = [device for device in devices if device.channels(kind)]
    if not usable:
        raise DeviceError(
            f"there is no sound device for {kind}: start the sound server (PipeWire, PulseAudio) or plug a device in; "
            "files, pipes and `rtdenoise demo` work without one"
        )
    if DEFAULT_NAMES.get(wanted) == kind:
        chosen = next((device for device in usable if device.is_default(kind)), None)
        if chosen is None:
            raise DeviceError(f"the system has no default {kind} device; {_name_one_of(usable)}")
        return chosen
    by_index = [device for device in usable if str(device.index) == wanted]
    exact = [device for device in usable if wanted and wanted in (device.name.lower(), device.server_name.lower())]
    part = [device for device in usable if wanted in device.name.lower()] if wanted and not wanted.isdigit() else []
    matches = of_best_host_api(exact or by_index or part)
    if not matches:
        usable.sort(key=lambda device: -_closeness(wanted, device.name.lower()))
        raise DeviceError(f"no {kind} device is called {str(name_or_index)!r}; {_name_one_of(usable)}")
    if len(matches) > 1:
        raise DeviceError(f"{str(name_or_index)!r} could be {len(matches)} {kind} devices; {_name_one_of(matches)}")
    return matches[0]


def _default_index(host_apis: Any, kind: Kind) -> int:
    ranked = sorted(host_apis, key=lambda host_api: _rank(host_api["name"]))
    return next((api[f"default_{kind}_device"] for api in ranked if api[f"default_{kind}_device"] >= 0), -1)


def _rank(host_api: str) -> int:
    return _HOST_API_ORDER.index(host_api) if host_api in _HOST_API_ORDER else len(_HOST_API_ORDER)


def of_best_host_api(devices: list[DeviceInfo]) -> list[DeviceInfo]:
    """Those of the host API that is preferred among theirs: Windows lists every device once for each."""
    best = min((_rank(device.host_api) for device in devices), default=0)
    return [device for device in devices if _rank(device.host_api) == best]


def _closeness(wanted: str, name: str) -> float:
    """From 0 to 1: likeness to the whole name or to the word of it that is most alike."""
    return max(difflib.SequenceMatcher(None, wanted, part).ratio() for part in [name, *name.split()])


def _name_one_of(devices: list[DeviceInfo]) -> str:
    names = ", ".join(f"{device.name!r} (index {device.index})" for device in devices[:_LISTED_AT_MOST])
    more = f" and {len(devices) - _LISTED_AT_MOST} more" if len(devices) > _LISTED_AT_MOST else ""
    return f"there is {names}{more}; see `rtdenoise devices`"
